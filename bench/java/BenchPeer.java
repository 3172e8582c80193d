import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntFunction;
import javax.cache.Cache;
import org.apache.ignite.Ignition;
import org.apache.ignite.cache.query.FieldsQueryCursor;
import org.apache.ignite.cache.query.QueryCursor;
import org.apache.ignite.cache.query.ScanQuery;
import org.apache.ignite.cache.query.SqlFieldsQuery;
import org.apache.ignite.client.ClientCache;
import org.apache.ignite.client.IgniteClient;
import org.apache.ignite.client.IgniteClientFuture;
import org.apache.ignite.configuration.ClientConfiguration;

/**
 * Apache Ignite's own thin client as a peer: the line protocol of worker.py, the data of workloads.py.
 *
 * Arguments: aware|plain, the name of the cache of texts, the name of the SQL table, then host:port of each node. Calls
 * that run side by side are the client's own asynchronous ones, so many at once as the workload says.
 */
public final class BenchPeer {
    private static final int PAGE = 1024;
    private static final int ENTRIES = 20_000;
    private static final int MODELS = 5_000;
    private static final int SEQUENTIAL = 500;
    private static final int CONCURRENT = 8_000;
    private static final int WARM_UP = 6;

    private final ClientCache<Long, String> texts;
    private final ClientCache<Long, House> houses;
    private final IgniteClient client;
    private final String table;
    private final Map<Long, String> pairs = new LinkedHashMap<>();
    private final Map<Long, House> models = new LinkedHashMap<>();
    private long next;

    /** The nested object of workloads.py. */
    public static final class Owner {
        public String name;
    }

    /** The ten fields of workloads.py. */
    public static final class House {
        public String name;
        public String street;
        public String city;
        public String mail;
        public int floor;
        public long residents;
        public double latitude;
        public double longitude;
        public boolean heated;
        public Owner owner;

        static House of(long key) {
            House house = new House();
            house.name = "house " + key;
            house.street = key % 977 + " long street";
            house.city = "city of " + key % 5;
            house.mail = "house-" + key + "@example.org";
            house.floor = (int) (key % 90);
            house.residents = key * 1_000_003;
            house.latitude = key / 64.0;
            house.longitude = -key / 32.0;
            house.heated = key % 3 == 0;
            return house;
        }
    }

    private BenchPeer(IgniteClient client, String name, String table) {
        this.client = client;
        this.table = table;
        texts = client.getOrCreateCache(name);
        houses = client.getOrCreateCache(name + "-models");
        for (long key = 0; key < ENTRIES; key++)
            pairs.put(key, "value of " + key);
        for (long key = 0; key < MODELS; key++)
            models.put(key, House.of(key));
    }

    public static void main(String[] arguments) throws Exception {
        String[] addresses = java.util.Arrays.copyOfRange(arguments, 3, arguments.length);
        boolean aware = arguments[0].equals("aware");
        ClientConfiguration configuration = new ClientConfiguration()
            .setAddresses(aware ? addresses : new String[] {addresses[0]})
            .setPartitionAwarenessEnabled(aware)
            .setClusterDiscoveryEnabled(false);
        var bean = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        try (IgniteClient client = Ignition.startClient(configuration)) {
            BenchPeer peer = new BenchPeer(client, arguments[1], arguments[2]);
            peer.fill();
            System.out.println("ready");
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
            for (String line; (line = in.readLine()) != null && !line.isEmpty() && !line.equals("quit"); ) {
                long cpu = bean.getProcessCpuTime(), wall = System.nanoTime();
                int count = peer.run(line);
                double seconds = (System.nanoTime() - wall) / 1e9, busy = (bean.getProcessCpuTime() - cpu) / 1e9;
                System.out.println(count < 0 ? "none" : String.format(Locale.ROOT, "%d %.6f %.6f", count, seconds, busy));
            }
            client.destroyCache(arguments[1]);
            client.destroyCache(arguments[1] + "-models");
        }
    }

    /** Writes everything, checks what comes back, and lets the JIT compilers see each workload. */
    private void fill() throws Exception {
        texts.putAll(pairs);
        houses.putAll(models);
        check(texts.getAll(pairs.keySet()).equals(pairs));
        House seventh = houses.get(7L);
        check(seventh.name.equals("house 7") && seventh.latitude == 7 / 64.0);
        check(items(texts) == ENTRIES && items(houses) == MODELS);
        for (int round = 0; round < WARM_UP; round++)
            for (String workload : List.of("get", "put", "get-64", "put-64", "get-512", "update", "get_many", "items",
                "models-get-64", "models-put-64", "models-save_many", "models-get_many", "models-items", "sql"))
                check(run(workload) != 0);
    }

    private int run(String workload) throws Exception {
        switch (workload) {
            case "get":
                for (int i = 0; i < SEQUENTIAL; i++)
                    texts.get(key(ENTRIES));
                return SEQUENTIAL;
            case "put":
                for (int i = 0; i < SEQUENTIAL; i++) {
                    long key = key(ENTRIES);
                    texts.put(key, pairs.get(key));
                }
                return SEQUENTIAL;
            case "get-64":
                return concurrent(64, i -> texts.getAsync(key(ENTRIES)));
            case "get-512":
                return concurrent(512, i -> texts.getAsync(key(ENTRIES)));
            case "put-64":
                return concurrent(64, i -> {
                    long key = key(ENTRIES);
                    return texts.putAsync(key, pairs.get(key));
                });
            case "models-get-64":
                return concurrent(64, i -> houses.getAsync(key(MODELS)));
            case "models-put-64":
                return concurrent(64, i -> {
                    long key = key(MODELS);
                    return houses.putAsync(key, models.get(key));
                });
            case "update":
                texts.putAll(pairs);
                return ENTRIES;
            case "get_many":
                return texts.getAll(pairs.keySet()).size();
            case "items":
                return items(texts);
            case "models-save_many":
                houses.putAll(models);
                return MODELS;
            case "models-get_many":
                return houses.getAll(models.keySet()).size();
            case "models-items":
                return items(houses);
            case "sql":
                return sql();
            default:
                return -1;
        }
    }

    private synchronized long key(int below) {
        next = (next + 1) % below;
        return next;
    }

    private int concurrent(int atOnce, IntFunction<IgniteClientFuture<?>> call) throws Exception {
        Semaphore free = new Semaphore(atOnce);
        AtomicReference<Throwable> failed = new AtomicReference<>();
        for (int i = 0; i < CONCURRENT; i++) {
            free.acquire();
            call.apply(i).handle((result, error) -> {
                if (error != null)
                    failed.set(error);
                free.release();
                return null;
            });
        }
        free.acquire(atOnce);
        check(failed.get() == null);
        return CONCURRENT;
    }

    private static <V> int items(ClientCache<Long, V> cache) {
        int count = 0;
        try (QueryCursor<Cache.Entry<Long, V>> cursor = cache.query(new ScanQuery<Long, V>().setPageSize(PAGE))) {
            for (Iterator<Cache.Entry<Long, V>> entries = cursor.iterator(); entries.hasNext(); entries.next())
                count++;
        }
        return count;
    }

    private int sql() {
        int count = 0;
        SqlFieldsQuery query = new SqlFieldsQuery("SELECT id, a, b, c FROM " + table).setPageSize(PAGE);
        try (FieldsQueryCursor<List<?>> rows = client.query(query)) {
            for (List<?> row : rows)
                count += row.size() == 4 ? 1 : 0;
        }
        return count;
    }

    private static void check(boolean holds) {
        if (!holds)
            throw new AssertionError();
    }
}

package com.acme.interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.cache.Cache;
import javax.cache.event.CacheEntryEvent;
import javax.cache.expiry.CreatedExpiryPolicy;
import org.apache.ignite.Ignition;
import org.apache.ignite.binary.BinaryObject;
import org.apache.ignite.cache.CacheAtomicityMode;
import org.apache.ignite.cache.query.ContinuousQuery;
import org.apache.ignite.cache.query.ScanQuery;
import org.apache.ignite.cache.query.SqlFieldsQuery;
import org.apache.ignite.client.ClientAtomicLong;
import org.apache.ignite.client.ClientCache;
import org.apache.ignite.client.ClientCacheConfiguration;
import org.apache.ignite.client.ClientCollectionConfiguration;
import org.apache.ignite.client.ClientIgniteSet;
import org.apache.ignite.client.ClientTransaction;
import org.apache.ignite.client.IgniteClient;
import org.apache.ignite.client.IgniteClientFuture;
import org.apache.ignite.cluster.ClusterState;
import org.apache.ignite.configuration.ClientConfiguration;
import org.apache.ignite.transactions.TransactionConcurrency;
import org.apache.ignite.transactions.TransactionIsolation;

/** What a Java program does with a node, one line for each part: "passed" or "failed", its name, and why. */
public final class Acceptance {
    private interface Part {
        void run() throws Exception;
    }

    private final IgniteClient client;
    private final ClientCache<Object, Object> cache;
    private final ClientCache<Object, Object> accounts;

    private Acceptance(IgniteClient client, String name) {
        this.client = client;
        cache = client.getOrCreateCache(name);
        accounts = client.getOrCreateCache(
            new ClientCacheConfiguration().setName(name + " accounts").setAtomicityMode(CacheAtomicityMode.TRANSACTIONAL));
    }

    public static void main(String[] words) throws Exception {
        String name = words[0];
        String[] addresses = Arrays.copyOfRange(words, 1, words.length);
        try (IgniteClient client = Ignition.startClient(new ClientConfiguration().setAddresses(addresses))) {
            new Acceptance(client, name).all(name);
            client.destroyCache(name);
            client.destroyCache(name + " accounts");
        }
    }

    private void all(String name) {
        part("put and get", () -> {
            cache.put(1, "one");
            same("one", cache.get(1));
            same(null, cache.get(2));
            same(true, cache.containsKey(1));
        });
        part("put all and get all", () -> {
            cache.putAll(Map.of(1, "a", 2L, 2.5, "three", new int[] {1, 2}));
            same(Set.of(1, 2L), cache.getAll(Set.of(1, 2L, 99)).keySet());
            same(2.5, cache.get(2L));
            same(true, Arrays.equals(new int[] {1, 2}, (int[]) cache.get("three")));
            same(3, cache.size());
        });
        part("conditional writes", () -> {
            cache.clear();
            same(true, cache.putIfAbsent(1, "a"));
            same(false, cache.putIfAbsent(1, "b"));
            same("a", cache.getAndPut(1, "c"));
            same("c", cache.getAndReplace(1, "d"));
            same(true, cache.replace(1, "d", "e"));
            same(false, cache.replace(1, "d", "f"));
            same(false, cache.remove(1, "x"));
            same("e", cache.getAndRemove(1));
            same(false, cache.remove(1));
            same(false, cache.replace(1, "g"));
        });
        part("asynchronous", () -> {
            List<IgniteClientFuture<Void>> all = new ArrayList<>();
            for (int i = 0; i < 500; i++)
                all.add(cache.putAsync(i, i));
            for (IgniteClientFuture<Void> one : all)
                one.get();
            same(499, cache.getAsync(499).get());
        });
        part("scan", () -> {
            cache.clear();
            Set<Object> keys = new TreeSet<>();
            for (int i = 0; i < 300; i++)
                cache.put(i, i);
            for (Cache.Entry<Object, Object> entry : cache.query(new ScanQuery<>().setPageSize(7)))
                keys.add(entry.getKey());
            same(300, keys.size());
            int part = 0;
            for (Object ignored : cache.query(new ScanQuery<>().setPartition(5)).getAll())
                part++;
            same(true, part < 300);
        });
        part("remove all", () -> {
            cache.removeAll(Set.of(1, 2));
            same(298, cache.size());
            cache.removeAll();
            same(0, cache.size());
        });
        part("objects", () -> {
            cache.put("person", new Person(7));
            same(new Person(7).toString().isEmpty(), cache.get("person").toString().isEmpty());
            same(Person.class, cache.get("person").getClass());
            BinaryObject binary = (BinaryObject) cache.<Object, Object>withKeepBinary().get("person");
            same("com.acme.interop.Person", binary.type().typeName());
            BinaryObject built = client.binary().builder("acceptance.Made").setField("a", 1).setField("b", "x").build();
            cache.put("made", built);
            same("x", ((BinaryObject) cache.withKeepBinary().get("made")).<String>field("b"));
            BinaryObject more = built.toBuilder().setField("c", 2.5).build();
            same(true, cache.withKeepBinary().replace("made", built, more));
            same(List.of("a", "b", "c"), List.copyOf(new TreeSet<>(client.binary().type("acceptance.Made").fieldNames())));
        });
        part("expiry", () -> {
            ClientCache<Object, Object> brief = cache.withExpirePolicy(
                new CreatedExpiryPolicy(new javax.cache.expiry.Duration(TimeUnit.MILLISECONDS, 50)));
            brief.put("brief", 1);
            cache.put("lasting", 1);
            long until = System.nanoTime() + Duration.ofSeconds(10).toNanos();
            while (cache.containsKey("brief") && System.nanoTime() < until)
                Thread.onSpinWait();
            same(false, cache.containsKey("brief"));
            same(true, cache.containsKey("lasting"));
        });
        part("sql", () -> {
            String table = "T" + Math.abs(name.hashCode());
            sql("CREATE TABLE " + table + " (ID INT PRIMARY KEY, NAME VARCHAR, AGE INT)");
            try {
                for (int i = 0; i < 20; i++)
                    sql("INSERT INTO " + table + " (ID, NAME, AGE) VALUES (?, ?, ?)", i, "n" + i, i % 5);
                sql("CREATE INDEX ON " + table + " (AGE)");
                same(List.of(List.of(4L)), sql("SELECT COUNT(*) FROM " + table + " WHERE AGE = ?", 3));
                same(List.of(List.of("n3"), List.of("n8")),
                    sql("SELECT NAME FROM " + table + " WHERE AGE = 3 ORDER BY ID LIMIT 2"));
                same(List.of(List.of(4L)), sql("UPDATE " + table + " SET NAME = 'x' WHERE AGE = 1"));
                same(List.of(List.of(4L)), sql("DELETE FROM " + table + " WHERE AGE = 2"));
                same(16, sql("SELECT * FROM " + table).size());
            } finally {
                sql("DROP TABLE " + table);
            }
        });
        part("sql error", () -> {
            try {
                sql("SELECT * FROM NO_SUCH_TABLE_AT_ALL");
            } catch (RuntimeException error) {
                same(true, error.getMessage().contains("NO_SUCH_TABLE_AT_ALL"));
                return;
            }
            throw new AssertionError("no error");
        });
        for (TransactionConcurrency concurrency : TransactionConcurrency.values())
            for (TransactionIsolation isolation : TransactionIsolation.values())
                part("transaction " + concurrency + " " + isolation, () -> {
                    accounts.put("ann", 100);
                    accounts.put("ben", 100);
                    try (ClientTransaction tx = client.transactions().txStart(concurrency, isolation)) {
                        accounts.put("ann", (Integer) accounts.get("ann") - 10);
                        accounts.put("ben", (Integer) accounts.get("ben") + 10);
                        same(90, accounts.get("ann"));
                        tx.commit();
                    }
                    same(Map.of("ann", 90, "ben", 110), new TreeMap<>(accounts.getAll(Set.of("ann", "ben"))));
                    try (ClientTransaction tx = client.transactions().withLabel("label").txStart(concurrency, isolation, 5000)) {
                        accounts.put("ann", 0);
                        same(true, accounts.remove("ben"));
                        tx.rollback();
                    }
                    same(Map.of("ann", 90, "ben", 110), new TreeMap<>(accounts.getAll(Set.of("ann", "ben"))));
                });
        part("transaction left open", () -> {
            try (ClientTransaction tx = client.transactions().txStart()) {
                accounts.put("left", 1);
            }
            same(false, accounts.containsKey("left"));
        });
        part("continuous query", () -> {
            BlockingQueue<String> events = new LinkedBlockingQueue<>();
            ContinuousQuery<Object, Object> query = new ContinuousQuery<>();
            query.setLocalListener(all -> {
                for (CacheEntryEvent<?, ?> one : all)
                    events.add(one.getEventType() + " " + one.getKey() + " " + one.getOldValue() + " " + one.getValue());
            });
            try (var cursor = cache.query(query)) {
                // One after the other: the client tells of events on threads of a pool, in any order.
                cache.put("watched", 1);
                same("CREATED watched null 1", events.poll(10, TimeUnit.SECONDS));
                cache.put("watched", 2);
                same("UPDATED watched 1 2", events.poll(10, TimeUnit.SECONDS));
                cache.remove("watched");
                same(true, events.poll(10, TimeUnit.SECONDS).startsWith("REMOVED watched"));
            }
        });
        part("caches", () -> {
            String other = name + " other";
            client.createCache(other);
            same(true, client.cacheNames().contains(other));
            same(other, client.cache(other).getConfiguration().getName());
            client.destroyCache(other);
            same(false, client.cacheNames().contains(other));
        });
        part("atomic long", () -> {
            ClientAtomicLong counter = client.atomicLong(name + " counter", 5, true);
            same(6L, counter.incrementAndGet());
            same(true, counter.compareAndSet(6, 9));
            same(9L, counter.getAndSet(1));
            counter.close();
            same(true, counter.removed());
        });
        part("set", () -> {
            ClientIgniteSet<Object> set = client.set(name + " set", new ClientCollectionConfiguration().setBackups(1));
            same(true, set.add("a"));
            same(false, set.add("a"));
            same(true, set.addAll(List.of("b", "c")));
            same(Set.of("a", "b", "c"), new TreeSet<>(set));
            same(true, set.remove("b"));
            same(2, set.size());
            set.close();
        });
        part("cluster", () -> {
            same(ClusterState.ACTIVE, client.cluster().state());
            same(true, client.cluster().nodes().size() >= 1);
            same(false, client.cluster().forServers().node().id() == null);
        });
    }

    private List<List<?>> sql(String statement, Object... arguments) {
        return client.query(new SqlFieldsQuery(statement).setArgs(arguments)).getAll();
    }

    private static void part(String name, Part part) {
        try {
            part.run();
            System.out.println("passed\t" + name);
        } catch (Throwable error) {
            System.out.println("failed\t" + name + "\t" + String.valueOf(error).replaceAll("\\s+", " "));
        }
    }

    private static void same(Object expected, Object found) {
        if (!Objects.equals(expected, found))
            throw new AssertionError("expected " + expected + ", found " + found);
    }
}

package com.acme.interop;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.ignite.Ignition;
import org.apache.ignite.binary.BinaryObject;
import org.apache.ignite.cache.affinity.rendezvous.RendezvousAffinityFunction;
import org.apache.ignite.cache.query.SqlFieldsQuery;
import org.apache.ignite.client.ClientCache;
import org.apache.ignite.client.IgniteClient;
import org.apache.ignite.configuration.ClientConfiguration;
import org.apache.ignite.internal.binary.GridBinaryMarshaller;
import org.apache.ignite.internal.client.thin.ClientBinary;
import org.apache.ignite.internal.util.IgniteUtils;

/**
 * Apache Ignite's own thin client, ordered about line by line.
 *
 * A line on stdin is a command and its words, separated by tabs. The answer on stdout is lines that begin with a space
 * and, at the end, one of `.` (done) and `!` with the error. In both, backslash, tab and line break are escaped.
 * Values are Literals.
 */
public final class Judge {
    private final IgniteClient client;
    private final List<String> answer = new ArrayList<>();

    private Judge(IgniteClient client) {
        this.client = client;
    }

    public static void main(String[] addresses) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);  // whatever a library prints is not an answer
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (IgniteClient client = Ignition.startClient(new ClientConfiguration().setAddresses(addresses))) {
            out.println(".");
            for (String line; (line = in.readLine()) != null; )
                new Judge(client).answer(line, out);
        }
    }

    private void answer(String line, PrintStream out) {
        String[] words = Arrays.stream(line.split("\t", -1)).map(Judge::unescape).toArray(String[]::new);
        String end = ".";
        try {
            obey(words[0], Arrays.copyOfRange(words, 1, words.length));
        } catch (Throwable error) {
            end = "!" + escape(causes(error));
        }
        StringBuilder lines = new StringBuilder();
        for (String one : answer)
            lines.append(' ').append(escape(one)).append('\n');
        out.println(lines + end);
    }

    private void obey(String command, String... words) throws Exception {
        switch (command) {
            case "get":  // cache, key -> the class and its fields
                tell(cache(words[0]).get(Literal.parse(words[1])));
                break;
            case "sample":  // class, number -> the same of what Java makes of a number
                tell(sample(words[0], Integer.parseInt(words[1])));
                break;
            case "put":  // cache, key, class, number -> nothing
                cache(words[0]).put(Literal.parse(words[1]), sample(words[2], Integer.parseInt(words[3])));
                break;
            case "equal":  // cache, key, class, number -> whether the cluster holds exactly Java's bytes
                answer.add(String.valueOf(binary(words[0], words[1]).equals(
                    client.binary().toBinary(sample(words[2], Integer.parseInt(words[3]))))));
                break;
            case "describe":  // cache, keys... -> a line for each value, which may be of a class that Java has not
                for (Object key : values(Arrays.copyOfRange(words, 1, words.length)))
                    answer.add(Described.of(cache(words[0]).withKeepBinary().get(key)));
                break;
            case "same":  // cache, key, key -> whether the two values have the same bytes
                answer.add(String.valueOf(binary(words[0], words[1]).equals(binary(words[0], words[2]))));
                break;
            case "sql": {  // query, arguments... -> a line for each row, columns separated by " | "
                Object[] arguments = values(Arrays.copyOfRange(words, 1, words.length));
                for (List<?> row : client.query(new SqlFieldsQuery(words[0]).setArgs(arguments)).getAll())
                    answer.add(String.join(" | ", row.stream().map(Text::of).toArray(String[]::new)));
                break;
            }
            case "put all":  // cache, then key and value in turn -> nothing
                cache(words[0]).putAll(entries(words));
                break;
            case "copy": {  // cache, then key and other key in turn -> nothing; Java reads each and writes it again
                Map<Object, Object> others = entries(words);
                Map<Object, Object> copies = new LinkedHashMap<>();
                cache(words[0]).getAll(others.keySet()).forEach((key, value) -> copies.put(others.get(key), value));
                cache(words[0]).putAll(copies);
                break;
            }
            case "judge": {  // cache, then key and value in turn -> a line for each key that has another value
                Map<Object, Object> expected = entries(words);
                Map<Object, Object> found = cache(words[0]).getAll(expected.keySet());
                for (Map.Entry<Object, Object> entry : expected.entrySet()) {
                    Object one = found.get(entry.getKey());
                    String type = one == null ? "" : one.getClass().getName() + " ";
                    if (!Literal.same(entry.getValue(), one))
                        answer.add(entry.getKey() + ": " + type + Text.of(one));
                }
                break;
            }
            case "count": {  // cache, field, times, keys... -> how often another was faster, when it added 1 to a long field
                ClientCache<Object, BinaryObject> objects = cache(words[0]).withKeepBinary();
                int faster = 0;
                for (int time = Integer.parseInt(words[2]); time > 0; time--)
                    for (Object key : values(Arrays.copyOfRange(words, 3, words.length)))
                        while (!addOne(objects, key, words[1]))
                            faster++;
                answer.add(String.valueOf(faster));
                break;
            }
            case "marshal":  // values... -> the bytes that the client would send for each
                for (Object value : values(words))
                    answer.add(HexFormat.of().formatHex(marshaller().marshal(value, false)));
                break;
            case "partitions": {  // numbers of partitions, keys... -> of each key the hash code, and its partitions
                List<RendezvousAffinityFunction> functions = new ArrayList<>();
                for (String partitions : words[0].split(" "))
                    functions.add(new RendezvousAffinityFunction(false, Integer.parseInt(partitions)));
                for (String word : Arrays.copyOfRange(words, 1, words.length)) {
                    int hash = hash(Literal.parse(word));
                    StringBuilder line = new StringBuilder().append(hash);
                    for (RendezvousAffinityFunction function : functions)
                        line.append(' ').append(function.partition(new Hashed(hash)));
                    answer.add(line.toString());
                }
                break;
            }
            default:
                throw new IllegalArgumentException("no command " + command);
        }
    }

    /** Whether nobody changed the object in the meantime. */
    private static boolean addOne(ClientCache<Object, BinaryObject> objects, Object key, String field) {
        BinaryObject old = objects.get(key);
        Long count = old.field(field);
        return objects.replace(key, old, old.toBuilder().setField(field, count == null ? 1L : count + 1).build());
    }

    private ClientCache<Object, Object> cache(String name) {
        return client.getOrCreateCache(name);
    }

    private GridBinaryMarshaller marshaller() {
        return new GridBinaryMarshaller(((ClientBinary) client.binary()).binaryContext());
    }

    private static Object[] values(String[] words) throws ReflectiveOperationException {
        Object[] values = new Object[words.length];
        for (int i = 0; i < words.length; i++)
            values[i] = Literal.parse(words[i]);
        return values;
    }

    /** What follows the name of a cache: key and value in turn. */
    private static Map<Object, Object> entries(String[] words) throws ReflectiveOperationException {
        Object[] values = values(Arrays.copyOfRange(words, 1, words.length));
        Map<Object, Object> entries = new LinkedHashMap<>();
        for (int i = 0; i < values.length; i += 2)
            entries.put(values[i], values[i + 1]);
        return entries;
    }

    private BinaryObject binary(String cache, String key) throws ReflectiveOperationException {
        return (BinaryObject) cache(cache).withKeepBinary().get(Literal.parse(key));
    }

    private static Object sample(String type, int number) {
        switch (type) {
            case "Person":
                return new Person(number);
            case "Customer":
                return new Customer(number);
            case "Parcel":
                return new Parcel(number);
            case "Address":
                return new Address("Main Street " + number, "0" + number);
            case "Order":
                return new Order(number);
            case "Shelf":
                return new Shelf(number);
            default:
                throw new IllegalArgumentException("no class " + type);
        }
    }

    private void tell(Object value) {
        if (value != null && value.getClass().getName().startsWith("com.acme.interop.")) {
            answer.add(value.getClass().getName());
            answer.addAll(Text.fields(value));
        } else
            answer.add(Text.of(value));
    }

    /** As the server hashes a key, which has objects and enums in their binary form. */
    private int hash(Object key) {
        return IgniteUtils.hashCode((Object) client.binary().toBinary(key));
    }

    private static String causes(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable one = error; one != null; one = one.getCause())
            text.append(text.length() == 0 ? "" : "; caused by ").append(one);
        return text.toString();
    }

    private static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }

    private static String unescape(String text) {
        StringBuilder plain = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char unit = text.charAt(i);
            if (unit == '\\') {
                char next = text.charAt(++i);
                plain.append(next == 't' ? '\t' : next == 'n' ? '\n' : next == 'r' ? '\r' : next);
            } else
                plain.append(unit);
        }
        return plain.toString();
    }

    /** A key of which only the hash code matters. */
    private static final class Hashed {
        private final int hash;

        Hashed(int hash) {
            this.hash = hash;
        }

        @Override public int hashCode() {
            return hash;
        }

        @Override public boolean equals(Object other) {
            return other instanceof Hashed && ((Hashed) other).hash == hash;
        }
    }
}

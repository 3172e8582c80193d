package com.acme.interop;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.sql.Time;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Values as words in prefix notation: a type, then what it takes, `ArrayList 2 long 1 text x61`.
 *
 * Text and bytes are hexadecimal behind an x, floats are their bits, instants are milliseconds since the epoch. The
 * items of an array of primitives have no type of their own. literals.py writes all this.
 */
final class Literal {
    private static final String PACKAGE = Literal.class.getPackageName() + ".";
    private static final Map<String, Class<?>> COMPONENTS = Map.ofEntries(
        Map.entry("short", short.class), Map.entry("int", int.class), Map.entry("long", long.class),
        Map.entry("float", float.class), Map.entry("double", double.class), Map.entry("char", char.class),
        Map.entry("bool", boolean.class), Map.entry("text", String.class), Map.entry("uuid", UUID.class),
        Map.entry("date", Date.class), Map.entry("timestamp", Timestamp.class), Map.entry("time", Time.class),
        Map.entry("decimal", BigDecimal.class), Map.entry("object", Object.class), Map.entry("color", Color.class),
        Map.entry("address", Address.class));

    private final Iterator<String> words;

    private Literal(String text) {
        words = Arrays.asList(text.split(" ", -1)).iterator();
    }

    static Object parse(String text) throws ReflectiveOperationException {
        Literal literal = new Literal(text);
        Object value = literal.value();
        if (literal.words.hasNext())
            throw new IllegalArgumentException("words beyond the end of " + text);
        return value;
    }

    private Object value() throws ReflectiveOperationException {
        return value(words.next());
    }

    private Object value(String type) throws ReflectiveOperationException {
        return switch (type) {
            case "null" -> null;
            case "byte" -> Byte.valueOf(words.next());
            case "short" -> Short.valueOf(words.next());
            case "int" -> Integer.valueOf(words.next());
            case "long" -> Long.valueOf(words.next());
            case "float" -> Float.intBitsToFloat(Integer.parseInt(words.next()));
            case "double" -> Double.longBitsToDouble(Long.parseLong(words.next()));
            case "char" -> (char) Integer.parseInt(words.next());
            case "bool" -> Boolean.valueOf(words.next());
            case "text" -> new String(hex(), StandardCharsets.UTF_8);
            case "byte[]" -> hex();
            case "uuid" -> UUID.fromString(words.next());
            case "date" -> new Date(Long.parseLong(words.next()));
            case "sqldate" -> new java.sql.Date(Long.parseLong(words.next()));
            case "time" -> new Time(Long.parseLong(words.next()));
            case "timestamp" -> timestamp(Long.parseLong(words.next()), Integer.parseInt(words.next()));
            case "decimal" -> decimal(Integer.parseInt(words.next()), new BigInteger(words.next(), 16));
            case "color" -> Color.valueOf(words.next());
            case "ArrayList" -> fill(new ArrayList<>());
            case "LinkedList" -> fill(new LinkedList<>());
            case "HashSet" -> fill(new HashSet<>());
            case "LinkedHashSet" -> fill(new LinkedHashSet<>());
            case "HashMap" -> fill(new HashMap<>());
            case "LinkedHashMap" -> fill(new LinkedHashMap<>());
            case "twice" -> new ArrayList<>(Collections.nCopies(2, value()));
            case "object" -> object();
            default -> {
                if (!type.endsWith("[]"))
                    throw new IllegalArgumentException("no type " + type);
                yield array(type.substring(0, type.length() - 2));
            }
        };
    }

    private byte[] hex() {
        return HexFormat.of().parseHex(words.next().substring(1));
    }

    private int count() {
        return Integer.parseInt(words.next());
    }

    private static Timestamp timestamp(long milliseconds, int nanosBeyond) {
        Timestamp timestamp = new Timestamp(milliseconds);
        timestamp.setNanos((int) Math.floorMod(milliseconds, 1000L) * 1_000_000 + nanosBeyond);
        return timestamp;
    }

    private static BigDecimal decimal(int scale, BigInteger unscaled) {
        return new BigDecimal(unscaled, scale);
    }

    private Collection<Object> fill(Collection<Object> empty) throws ReflectiveOperationException {
        for (int left = count(); left > 0; left--)
            empty.add(value());
        return empty;
    }

    private Map<Object, Object> fill(Map<Object, Object> empty) throws ReflectiveOperationException {
        for (int left = count(); left > 0; left--)
            empty.put(value(), value());
        return empty;
    }

    private Object array(String component) throws ReflectiveOperationException {
        Class<?> type = COMPONENTS.get(component);
        Object array = Array.newInstance(type, count());
        for (int i = 0; i < Array.getLength(array); i++)
            Array.set(array, i, type.isPrimitive() ? value(component) : value());
        return array;
    }

    private Object object() throws ReflectiveOperationException {
        Object pojo = Class.forName(PACKAGE + words.next()).getConstructor().newInstance();
        for (int left = count(); left > 0; left--)
            pojo.getClass().getField(words.next()).set(pojo, value());
        return pojo;
    }

    /** Whether two values have one class and are equal, all the way down; hash sets and hash maps have no order. */
    static boolean same(Object one, Object other) throws ReflectiveOperationException {
        if (one == null || other == null)
            return one == other;
        if (one.getClass() != other.getClass())
            return false;
        if (one.getClass().isArray()) {
            if (Array.getLength(one) != Array.getLength(other))
                return false;
            for (int i = 0; i < Array.getLength(one); i++)
                if (!same(Array.get(one, i), Array.get(other, i)))
                    return false;
            return true;
        }
        if (one.getClass() == HashSet.class)
            return sameInAnyOrder((Collection<?>) one, (Collection<?>) other);
        if (one instanceof Collection)
            return same(((Collection<?>) one).toArray(), ((Collection<?>) other).toArray());
        if (one instanceof Map) {
            List<Object[]> pairs = pairs((Map<?, ?>) one);
            List<Object[]> others = pairs((Map<?, ?>) other);
            return one instanceof LinkedHashMap ? same(pairs, others) : sameInAnyOrder(pairs, others);
        }
        if (one.getClass().getName().startsWith(PACKAGE) && !(one instanceof Enum)) {
            for (java.lang.reflect.Field field : one.getClass().getFields())
                if (!same(field.get(one), field.get(other)))
                    return false;
            return true;
        }
        return one.equals(other) && (!(one instanceof Comparable) || compare((Comparable<?>) one, other) == 0);
    }

    @SuppressWarnings("unchecked")
    private static int compare(Comparable<?> one, Object other) {
        return ((Comparable<Object>) one).compareTo(other);
    }

    private static List<Object[]> pairs(Map<?, ?> map) {
        List<Object[]> pairs = new ArrayList<>();
        map.forEach((key, value) -> pairs.add(new Object[] {key, value}));
        return pairs;
    }

    private static boolean sameInAnyOrder(Collection<?> some, Collection<?> others)
        throws ReflectiveOperationException {
        List<Object> left = new LinkedList<>(others);
        for (Object one : some) {
            boolean found = false;
            for (Iterator<Object> rest = left.iterator(); !found && rest.hasNext(); )
                if (found = same(one, rest.next()))
                    rest.remove();
            if (!found)
                return false;
        }
        return left.isEmpty();
    }
}

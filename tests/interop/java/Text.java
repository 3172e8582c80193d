package com.acme.interop;

import java.lang.reflect.Field;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Date;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/** Values as text that Python can compare. */
final class Text {
    private Text() {
    }

    /** A value without its type, collections with braces, sets and maps sorted. */
    static String of(Object value) {
        if (value == null || value instanceof Enum)
            return String.valueOf(value);
        if (value instanceof byte[])
            return HexFormat.of().formatHex((byte[]) value);
        if (value instanceof Timestamp)
            return ((Timestamp) value).toInstant().toString();
        if (value instanceof Date)
            return ((Date) value).toLocalDate().toString();
        if (value instanceof java.util.Date)
            return ((java.util.Date) value).toInstant().toString();
        if (value instanceof BigDecimal)
            return ((BigDecimal) value).toPlainString();
        if (value instanceof Set)
            return "{" + String.join(", ", new TreeSet<>(all((Collection<?>) value))) + "}";
        if (value instanceof Collection)
            return "[" + String.join(", ", all((Collection<?>) value)) + "]";
        if (value instanceof Map) {
            Map<String, String> sorted = new TreeMap<>();
            ((Map<?, ?>) value).forEach((key, one) -> sorted.put(of(key), of(one)));
            List<String> pairs = new ArrayList<>();
            sorted.forEach((key, one) -> pairs.add(key + ": " + one));
            return "{" + String.join(", ", pairs) + "}";
        }
        if (value.getClass().getName().startsWith("com.acme.interop."))
            return value.getClass().getSimpleName() + fields(value);
        return value.toString();
    }

    private static List<String> all(Collection<?> values) {
        List<String> texts = new ArrayList<>();
        for (Object value : values)
            texts.add(of(value));
        return texts;
    }

    /** The fields of a POJO, `name=value` each. */
    static List<String> fields(Object pojo) {
        List<String> lines = new ArrayList<>();
        for (Field field : pojo.getClass().getFields()) {
            try {
                lines.add(field.getName() + "=" + of(field.get(pojo)));
            } catch (IllegalAccessException error) {
                throw new AssertionError(error);
            }
        }
        return lines;
    }

    /** The object that a word of the line protocol stands for: `type:text`. */
    static Object parse(String word) {
        String type = word.substring(0, word.indexOf(':'));
        String text = word.substring(type.length() + 1);
        switch (type) {
            case "byte":
                return Byte.valueOf(text);
            case "short":
                return Short.valueOf(text);
            case "int":
                return Integer.valueOf(text);
            case "long":
                return Long.valueOf(text);
            case "float":
                return Float.intBitsToFloat(Integer.parseInt(text));
            case "double":
                return Double.longBitsToDouble(Long.parseLong(text));
            case "char":
                return (char) Integer.parseInt(text);
            case "bool":
                return Boolean.valueOf(text);
            case "text":
                return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
            case "uuid":
                return UUID.fromString(text);
            case "decimal":
                return new BigDecimal(text);
            case "date":
                return new java.util.Date(Long.parseLong(text));
            case "time":
                return new java.sql.Time(Long.parseLong(text));
            case "timestamp": {
                String[] parts = text.split("[+]");  // milliseconds, nanoseconds of the second
                Timestamp timestamp = new Timestamp(Long.parseLong(parts[0]));
                timestamp.setNanos(Integer.parseInt(parts[1]));
                return timestamp;
            }
            case "bytes":
                return HexFormat.of().parseHex(text);
            case "ints": {
                List<Integer> list = new ArrayList<>();
                for (String one : text.split(","))
                    list.add(Integer.valueOf(one));
                return list.stream().mapToInt(Integer::intValue).toArray();
            }
            case "color":
                return Color.valueOf(text);
            case "order": {
                String[] parts = text.split(",", 3);
                return new OrderKey(Long.parseLong(parts[0]), Integer.parseInt(parts[1]), parts[2]);
            }
            case "shelf": {
                String[] parts = text.split(",", 2);
                return new ShelfKey(parts[0], Integer.parseInt(parts[1]));
            }
            case "list": {
                List<Object> list = new ArrayList<>();
                if (!text.isEmpty())
                    for (String one : text.split(";"))
                        list.add(parse(one));
                return list;
            }
            default:
                throw new IllegalArgumentException("no type " + type);
        }
    }
}

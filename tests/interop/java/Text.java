package com.acme.interop;

import java.lang.reflect.Field;
import java.sql.Date;
import java.sql.Time;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

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
        if (value instanceof java.util.Date && !(value instanceof Time))
            return ((java.util.Date) value).toInstant().toString();
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
}

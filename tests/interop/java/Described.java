package com.acme.interop;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Time;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.apache.ignite.binary.BinaryObject;

/**
 * Values of classes that Java has not, as it reads them: as words that Literal could read, objects and enums with the
 * name of their type. The elements of sets and the fields of objects are sorted.
 */
final class Described {
    private Described() {
    }

    static String of(Object value) {
        if (value == null)
            return "null";
        if (value instanceof BinaryObject)
            return object((BinaryObject) value);
        if (value instanceof Byte || value instanceof Short || value instanceof Long)
            return value.getClass().getSimpleName().toLowerCase() + " " + value;
        if (value instanceof Integer)
            return "int " + value;
        if (value instanceof Float)
            return "float " + Float.floatToRawIntBits((Float) value);
        if (value instanceof Double)
            return "double " + Double.doubleToRawLongBits((Double) value);
        if (value instanceof Character)
            return "char " + (int) (Character) value;
        if (value instanceof Boolean)
            return "bool " + value;
        if (value instanceof String)
            return "text x" + HexFormat.of().formatHex(((String) value).getBytes(StandardCharsets.UTF_8));
        if (value instanceof byte[])
            return "byte[] x" + HexFormat.of().formatHex((byte[]) value);
        if (value instanceof UUID)
            return "uuid " + value;
        if (value instanceof Timestamp)
            return "timestamp " + ((Timestamp) value).getTime() + " " + ((Timestamp) value).getNanos() % 1_000_000;
        if (value instanceof Time)
            return "time " + ((Time) value).getTime();
        if (value instanceof java.sql.Date)
            return "sqldate " + ((Date) value).getTime();
        if (value instanceof Date)
            return "date " + ((Date) value).getTime();
        if (value instanceof BigDecimal)
            return "decimal " + ((BigDecimal) value).scale() + " " + ((BigDecimal) value).unscaledValue().toString(16);
        if (value.getClass().isArray())
            return array(value);
        if (value instanceof Set)
            return counted(value.getClass().getSimpleName(), new TreeSet<>(all((Collection<?>) value)));
        if (value instanceof Collection)
            return counted(value.getClass().getSimpleName(), all((Collection<?>) value));
        if (value instanceof Map) {
            List<String> pairs = new ArrayList<>();
            ((Map<?, ?>) value).forEach((key, one) -> pairs.add(of(key) + " " + of(one)));
            return counted(value.getClass().getSimpleName(), pairs);
        }
        throw new IllegalArgumentException("no words for a " + value.getClass().getName());
    }

    private static String object(BinaryObject object) {
        String type = object.type().typeName();
        if (object.type().isEnum())
            return "enum " + type + " " + object.enumName();
        List<String> fields = new ArrayList<>();
        for (String name : object.type().fieldNames())
            if (object.hasField(name))
                fields.add(name + " " + of(object.field(name)));
        Collections.sort(fields);
        return counted("object " + type, fields);
    }

    private static String array(Object array) {
        Class<?> component = array.getClass().getComponentType();
        List<String> items = new ArrayList<>();
        for (int i = 0; i < Array.getLength(array); i++) {
            String item = of(Array.get(array, i));
            items.add(component.isPrimitive() ? item.substring(item.indexOf(' ') + 1) : item);
        }
        return counted(component(component) + "[]", items);
    }

    private static String component(Class<?> type) {
        if (type == boolean.class)
            return "bool";
        if (type.isPrimitive())
            return type.getName();
        if (type == String.class)
            return "text";
        if (type == BigDecimal.class)
            return "decimal";
        if (type == UUID.class || type == Date.class || type == Timestamp.class || type == Time.class)
            return type.getSimpleName().toLowerCase();
        return "object";
    }

    private static List<String> all(Collection<?> values) {
        List<String> texts = new ArrayList<>();
        for (Object value : values)
            texts.add(of(value));
        return texts;
    }

    private static String counted(String kind, Collection<String> items) {
        return items.isEmpty() ? kind + " 0" : kind + " " + items.size() + " " + String.join(" ", items);
    }
}

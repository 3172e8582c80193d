package com.acme.interop;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** What Python writes first. */
public class Person {
    public long id;
    public String name;
    public int age;
    public double height;
    public BigDecimal salary;
    public Timestamp born;
    public UUID badge;
    public boolean active;
    public byte[] photo;
    public List<String> tags;
    public Set<Long> lucky;
    public Map<String, Long> scores;
    public Address home;
    public List<Address> offices;
    public Color color;

    public Person() {
    }

    /** The person that both sides make of a number. */
    public Person(int n) {
        id = n;
        name = "Zoë \uD83D\uDE00 " + n;
        age = n;
        height = n / 64.0;
        salary = new BigDecimal("-1234567890123456789012345678.90").add(BigDecimal.valueOf(n));
        born = new Timestamp(n * 86_400_000L - 1);
        born.setNanos(999_123_000);
        badge = new UUID(-n, n);
        active = n % 2 == 0;
        photo = new byte[] {0, -1, (byte) n};
        tags = new ArrayList<>(List.of("a", "", "tag " + n));
        lucky = new HashSet<>(Set.of((long) n, n + 1L));
        scores = new HashMap<>(Map.of("go", (long) n, "chess", -1L));
        home = n % 2 == 0 ? new Address("Main Street " + n, "0" + n) : null;
        offices = new ArrayList<>(List.of(new Address("Office Street", "1"), new Address(null, "2")));
        color = Color.values()[n % 3];
    }
}

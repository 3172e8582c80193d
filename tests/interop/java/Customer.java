package com.acme;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** What Java writes first, and Python reads. */
public class Customer {
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
    /** Python's model does not have it. */
    public String remark;

    /** The customer that both sides make of a number. */
    public static Customer sample(int n) {
        Customer customer = new Customer();
        customer.name = "Zoë \uD83D\uDE00 " + n;
        customer.age = n;
        customer.height = n / 64.0;
        customer.salary = new BigDecimal("-1234567890123456789012345678.90").add(BigDecimal.valueOf(n));
        customer.born = new Timestamp(n * 86_400_000L - 1);
        customer.born.setNanos(999_123_000);
        customer.badge = new UUID(-n, n);
        customer.active = n % 2 == 0;
        customer.photo = new byte[] {0, -1, (byte) n};
        customer.tags = new ArrayList<>(List.of("a", "", "tag " + n));
        customer.lucky = new HashSet<>(Set.of((long) n, n + 1L));
        customer.scores = new HashMap<>(Map.of("go", (long) n, "chess", -1L));
        customer.home = n % 2 == 0 ? new Address("Main Street " + n, "0" + n) : null;
        customer.offices = new ArrayList<>(List.of(new Address("Office Street", "1"), new Address(null, "2")));
        customer.color = Color.values()[n % 3];
        customer.remark = "remark " + n;
        return customer;
    }
}

package com.acme;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

/** What Python writes first, and Java reads. */
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
}

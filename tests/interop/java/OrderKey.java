package com.acme.interop;

/** A key of several fields, in the order in which Python declares them. */
public class OrderKey {
    public long customer;
    public int number;
    public String region;

    public OrderKey() {
    }

    public OrderKey(long customer, int number, String region) {
        this.customer = customer;
        this.number = number;
        this.region = region;
    }
}

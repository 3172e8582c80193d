package com.acme.interop;

/** The same, but Java writes it first. */
public class Customer extends Person {
    /** Python's model does not have it. */
    public String remark;

    public Customer() {
    }

    public Customer(int n) {
        super(n);
        remark = "remark " + n;
    }
}

package com.acme.interop;

public class Address {
    public String street;
    public String zipCode;

    public Address() {
    }

    public Address(String street, String zipCode) {
        this.street = street;
        this.zipCode = zipCode;
    }
}

package com.acme.interop;

import java.util.ArrayList;
import java.util.List;

/** A type that the Python side has no class for. */
public class Parcel {
    public int number;
    public String label;
    public double weight;
    public Parcel inner;
    public List<Long> stamps;

    public Parcel() {
    }

    public Parcel(int n) {
        number = n;
        label = "parcel " + n;
        weight = n / 4.0;
        inner = n > 0 ? new Parcel(0) : null;
        stamps = new ArrayList<>(List.of((long) n, 2L));
    }
}

package com.acme;

import java.util.ArrayList;
import java.util.List;

/** A type that the Python side has no class for. */
public class Parcel {
    public int number;
    public String label;
    public double weight;
    public Parcel inner;
    public List<Long> stamps;

    public static Parcel sample(int n) {
        Parcel parcel = new Parcel();
        parcel.number = n;
        parcel.label = "parcel " + n;
        parcel.weight = n / 4.0;
        parcel.inner = n > 0 ? sample(0) : null;
        parcel.stamps = new ArrayList<>(List.of((long) n, 2L));
        return parcel;
    }
}

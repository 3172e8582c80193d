package com.acme.interop;

import java.math.BigDecimal;
import java.sql.Timestamp;
import java.util.UUID;

/** A class with arrays of every kind of object. */
public class Team {
    public Address[] offices;
    public Color[] colors;
    public String[] names;
    public UUID[] badges;
    public BigDecimal[] prices;
    public Timestamp[] moments;
    public int[] numbers;
}

package com.acme.interop;

import java.util.List;

/** All fields that any release of the Python program has, and one of Java's own. */
public class Tally {
    public String label;
    public String nick;
    public String called;
    public List<String> tags;
    public long ones;
    public long twos;
    public long threes;
    public long javas;
}

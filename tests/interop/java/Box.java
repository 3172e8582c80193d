package com.acme.interop;

/** A type that holds any other. */
public class Box {
    public String label;
    public Object content;
}

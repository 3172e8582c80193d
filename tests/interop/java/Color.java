package com.acme.interop;

public enum Color {
    RED,
    GREEN,
    BLUE
}

package com.acme.interop;

public class Shelf {
    public int books;

    public Shelf() {
    }

    public Shelf(int books) {
        this.books = books;
    }
}

package com.acme.interop;

/** A key that Java writes first, its fields in another order than Python's. */
public class ShelfKey {
    public String room;
    public int level;

    public ShelfKey() {
    }

    public ShelfKey(String room, int level) {
        this.room = room;
        this.level = level;
    }
}

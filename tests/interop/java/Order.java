package com.acme.interop;

import java.math.BigDecimal;

public class Order {
    public BigDecimal total;
    public Color color;

    public Order() {
    }

    public Order(int n) {
        total = BigDecimal.valueOf(n, 2);
        color = Color.values()[n % 3];
    }
}

package com.acme;

import java.math.BigDecimal;

public class Order {
    public BigDecimal total;
    public Color color;
}

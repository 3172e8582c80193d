"""What the bytes of Ignite's thin-client protocol mean.

Everything here turns bytes into values and values into bytes. Nothing knows a clock, an event loop or a socket, and
nothing awaits, so a client and a server, tests and fuzzers share the same code. When and where bytes travel is
`ignitemap.client`'s business.
"""

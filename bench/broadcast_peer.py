"""A WebSocket server that sends on what a client says after `!` to all, for `bench.py broadcast`: broadcast_peer.py KIND PORT.

KIND is `uws` (uWebSockets, the C++ library inside the package socketify, in its own loop: not the package's Python loop, which polls
without pause) or `websockets` (the Python library, its broadcast function).
"""
import sys

kind, port = sys.argv[1], int(sys.argv[2])

if kind == "uws":
    from socketify import App, CompressOptions, OpCode
    from socketify.native import lib

    app = App()
    app.ws("/ws", {
        "compression": CompressOptions.DISABLED, "idle_timeout": 960, "max_payload_length": 1 << 20,
        "open": lambda ws: ws.subscribe("all"),
        "message": lambda ws, text, _: text[:1] == "!" and app.publish("all", text[1:], OpCode.TEXT),
    })
    app.listen(port, lambda _: None)
    lib.socketify_loop_run(app.loop.uv_loop._loop, lib.SOCKETIFY_RUN_DEFAULT)
else:
    import asyncio

    from websockets.asyncio.server import broadcast, serve

    async def client(connection):
        async for text in connection:
            if text[:1] == "!":
                broadcast(server.connections, text[1:])

    async def main():
        global server
        async with serve(client, "127.0.0.1", port, compression=None, ping_interval=None, backlog=4096) as server:
            await asyncio.get_running_loop().create_future()

    asyncio.run(main())

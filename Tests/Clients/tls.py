"""Clients that speak TLS with the proxy's port."""

import ssl

from wire import connect


def client_context(authority, version=None, protocols=("http/1.1",)):
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    if version:
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def secure(product, context, session=None, limit=10.0, receive_buffer=None):
    """A connection after its handshake. An end without close_notify is an error, as it should be."""
    wire = connect(product.port, limit, receive_buffer=receive_buffer)
    wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost", session=session, suppress_ragged_eofs=False)
    return wire

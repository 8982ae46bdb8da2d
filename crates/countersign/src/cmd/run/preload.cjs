// Loaded by Node before a program that `countersign run` started. Node's own fetch, and many HTTP clients, ignore proxy
// variables; so connections to the hosts that are answered for are led to the service here, one layer below all of them.
// TLS stays between the program and the service: server name and certificate check are the program's own.
'use strict';

const net = require('node:net');

const hosts = new Set(SETTINGS.hosts);
const connect = net.Socket.prototype.connect;

function isLoopback(host) {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Where a connection leads instead: a port of this machine, nowhere (a text that says why), or as before (undefined). */
function instead(options) {
  if (options.path || options.fd !== undefined) return undefined;
  const host = String(options.host || 'localhost').toLowerCase().replace(/\.$/, '').replace(/^\[(.*)\]$/, '$1');
  const port = Number(options.port);
  if (hosts.has(host) && port === 443) return SETTINGS.service;
  if (host === SETTINGS.metadata && port === 80) return SETTINGS.proxy;
  if (SETTINGS.only !== null && host !== SETTINGS.only && !isLoopback(host)) {
    return `countersign run: ${host}:${port} is not among the hosts answered here; --others pass lets other hosts through`;
  }
  return undefined;
}

/** The same options with another destination; the program's own object is left as it is. */
function led(options, port) {
  const copy = Object.assign(Object.create(Object.getPrototypeOf(options)), options);
  copy.host = '127.0.0.1';
  copy.port = port;
  delete copy.lookup;
  return copy;
}

net.Socket.prototype.connect = function (...given) {
  // net.connect hands on an array of options and callback that it marked for itself; others call with port and host, or options.
  const list = Array.isArray(given[0]) ? given[0] : given;
  if (list[0] !== null && typeof list[0] === 'object') {
    const way = instead(list[0]);
    if (typeof way === 'string') return refused(this, way);
    if (way !== undefined) list[0] = led(list[0], way);
  } else if (typeof list[0] === 'number' || /^\d+$/.test(list[0])) {
    const named = typeof list[1] === 'string';
    const way = instead({ port: list[0], host: named ? list[1] : 'localhost' });
    if (typeof way === 'string') return refused(this, way);
    if (way !== undefined) list.splice(0, named ? 2 : 1, way, '127.0.0.1');
  }
  return connect.apply(this, given);
};

function refused(socket, why) {
  const error = Object.assign(new Error(why), { code: 'ECONNREFUSED', syscall: 'connect' });
  process.nextTick(() => socket.destroy(error));
  return socket;
}

// What does Node's tls do with a client certificate that it does not trust? Run as `node NodeServer.js PORT`.

const fs = require("fs");
const tls = require("tls");

const options = {
  key: fs.readFileSync("server.key"),
  cert: fs.readFileSync("server.chain.pem"),
  ca: fs.readFileSync("ca.pem"),
  requestCert: true,
};
const server = tls.createServer(options, (socket) => socket.end("hello\n"));
server.on("tlsClientError", (error) => console.error(error.message));
server.listen(Number(process.argv[2]), "127.0.0.1");

// An official socket.io server of the protocol: for testing our client. Prints one JSON line an event.
// Arguments: a file for what it hears (may be empty), and the path that it listens at.
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
const require = createRequire(process.env.SELAM_TEST_NODE_MODULES + "/");
const { Server } = require("socket.io");

const told = (entry) => process.stdout.write(JSON.stringify(entry) + "\n");
const http = createServer();
const agent = new Server(http, { transports: ["websocket"], path: process.argv[3] ?? "/socket.io/" }).of("/v1/audio/agent");

agent.use((socket, next) => {
  const { api_key, voice } = socket.handshake.query;
  if (api_key === "sk-selam-test-bad" || !voice) {
    const refusal = new Error("authentication_error");
    refusal.data = { type: "authentication_error", message: "Invalid API key" };
    return next(refusal);
  }
  next();
});

agent.on("connection", (socket) => {
  let pcm = [], zeros = 0, spoke = false;
  const all = [];
  socket.emit("connected", { status: "connected", sid: socket.id, voice: socket.handshake.query.voice, message: "Hi" });
  const keep = () => { if (process.argv[2]) writeFileSync(process.argv[2], Buffer.concat(all)); };
  socket.onAny((event, payload) => told({
    event,
    action: payload?.action,
    bytes: event === "audio_chunk" ? Buffer.byteLength(payload.audio, "base64") : undefined,
    payload: event === "start_session" ? payload : undefined,
  }));
  socket.on("start_session", () => socket.emit("session_started", { session_id: "node-1", status: "started" }));
  socket.on("control", ({ action }) => socket.emit("control_ack", { action, status: "executed" }));
  socket.on("audio_chunk", ({ audio }) => {
    const chunk = Buffer.from(audio, "base64");
    const silent = chunk.every((byte) => byte === 0);
    zeros = silent ? zeros + chunk.length : 0;
    if (!silent) spoke = true;
    if (spoke && !silent) { pcm.push(chunk); all.push(chunk); }
    if (spoke && zeros >= 16000) {
      spoke = false;
      const said = Buffer.concat(pcm);
      pcm = [];
      socket.emit("transcription", { text: "hello", is_final: false });
      socket.emit("transcription", { text: "hello world", is_final: true });
      socket.emit("response", { text: "You said hello world." });
      let chunks = 0;
      for (let at = 0; at < said.length; at += 3200) {
        socket.emit("audio_chunk", { audio: said.subarray(at, at + 3200).toString("base64") });
        chunks += 1;
      }
      socket.emit("audio_end", { total_chunks: chunks });
    }
  });
  socket.on("end_session", () => {
    keep();
    socket.emit("session_ended", { session_id: "node-1", status: "ended" });
  });
  socket.on("disconnect", keep);
});
http.listen(0, "127.0.0.1", () => told({ port: http.address().port }));
process.stdin.on("end", () => process.exit(0)).resume();

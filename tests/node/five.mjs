// Several conversations at once by the official client. FOLDER holds N.raw to say; N.reply is what came back.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.env.SELAM_TEST_NODE_MODULES + "/");
const { io } = require("socket.io-client");

const [url, key, folder, count] = process.argv.slice(2);
setTimeout(() => process.exit(4), 100000).unref();

const talk = async (number) => {
  const socket = io(url + "/v1/audio/agent", { query: { api_key: key, voice: "mekdes" }, reconnection: false, forceNew: true });
  const next = (event) => new Promise((resolve) => socket.once(event, resolve));
  const reply = [];
  socket.on("audio_chunk", ({ audio }) => reply.push(Buffer.from(audio, "base64")));
  await next("connected");
  const started = next("session_started");
  socket.emit("start_session", { voice: "mekdes" });
  await started;
  const pcm = Buffer.concat([readFileSync(`${folder}/${number}.raw`), Buffer.alloc(32000)]);
  const end = next("audio_end");
  for (let at = 0; at < pcm.length; at += 3200) {
    socket.emit("audio_chunk", { audio: pcm.subarray(at, at + 3200).toString("base64"), format: "pcm16", sample_rate: 16000 });
    await new Promise((resolve) => setTimeout(resolve, 20));   // the conversations interleave
  }
  const { total_chunks } = await end;
  writeFileSync(`${folder}/${number}.reply`, Buffer.concat(reply));
  const ended = next("session_ended");
  socket.emit("end_session");
  const { status } = await ended;
  process.stdout.write(JSON.stringify({ number, total_chunks, chunks: reply.length, status }) + "\n");
  socket.disconnect();
};

await Promise.all(Array.from({ length: Number(count) }, (_, number) => talk(number)));
process.exit(0);

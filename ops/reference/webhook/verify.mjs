import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

// timestamp and signature are the headers X-Timestamp and X-Signature, body the bytes as they came (a Buffer).
export function verify(secret, timestamp, signature, body) {
  if (!/^[0-9]+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
  const digest = createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
  const expected = Buffer.from(`v1=${digest}`), given = Buffer.from(signature);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

const [secret, timestamp, signature] = process.argv.slice(2);
process.exit(verify(secret, timestamp, signature, readFileSync(0)) ? 0 : 1);

// The AWS SDK for JavaScript, version 3: commands, a multipart upload, pages, a presigned form of nothing.
import assert from "node:assert";
import { createRequire } from "node:module";

const [bucket, endpoint, modules] = process.argv.slice(2);
const require = createRequire(modules + "/package.json");
const sdk = require("@aws-sdk/client-s3");
const s3 = new sdk.S3Client({ region: "us-east-1", endpoint, forcePathStyle: true, maxAttempts: 1 });
const send = (name, input) => s3.send(new sdk[name + "Command"]({ Bucket: bucket, ...input }));

const body = Buffer.alloc(300000, "adit");
await send("PutObject", { Key: "js/a b+c", Body: body, ContentType: "text/plain", Metadata: { colour: "blue" } });
const got = await send("GetObject", { Key: "js/a b+c", ChecksumMode: "ENABLED" });
assert.deepEqual(Buffer.from(await got.Body.transformToByteArray()), body);
assert.equal(got.Metadata.colour, "blue");
const part = await send("GetObject", { Key: "js/a b+c", Range: "bytes=4-7" });
assert.equal(await part.Body.transformToString(), "adit");

const upload = await send("CreateMultipartUpload", { Key: "js/large" });
const parts = [];
for (const [at, data] of [Buffer.alloc(5 << 20, 1), Buffer.alloc(10, 2)].entries()) {
  const input = { Key: "js/large", UploadId: upload.UploadId, PartNumber: at + 1, Body: data };
  const done = await send("UploadPart", input);
  const sums = ["ChecksumCRC32", "ChecksumCRC32C", "ChecksumCRC64NVME"].filter((name) => done[name]);
  parts.push({ ETag: done.ETag, PartNumber: at + 1, ...Object.fromEntries(sums.map((name) => [name, done[name]])) });
}
await send("CompleteMultipartUpload", { Key: "js/large", UploadId: upload.UploadId, MultipartUpload: { Parts: parts } });
const head = await send("HeadObject", { Key: "js/large" });
assert.equal(head.ContentLength, (5 << 20) + 10);

await send("CopyObject", { Key: "js/copy", CopySource: encodeURI(`${bucket}/js/a b+c`).replace("+", "%2B") });
const keys = [];
for await (const page of sdk.paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket: bucket, Prefix: "js/" })) {
  keys.push(...page.Contents.map((entry) => entry.Key));
}
assert.deepEqual(keys, ["js/a b+c", "js/copy", "js/large"]);
const gone = await send("DeleteObjects", { Delete: { Objects: keys.map((Key) => ({ Key })) } });
assert.equal(gone.Deleted.length, 3);
await assert.rejects(send("GetObject", { Key: "js/copy" }), (why) => why.name === "NoSuchKey");
console.log("fine");

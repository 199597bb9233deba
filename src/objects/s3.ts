import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { isKey, type Labels, ObjectMissing, type ObjectStore, type StoredObject } from "./store.ts";

export type S3Options = {
  bucket: string;
  region: string;
  /** undefined: Amazon's own */
  endpoint?: string | undefined;
  /** the bucket is in the path, not in the name of the host */
  pathStyle: boolean;
  /** undefined: where the SDK looks for them by itself */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
};

/** The least that S3 takes as a part of an object; what is smaller goes up in one request. */
const partBytes = 5 * 1024 * 1024;

/** What is smaller waits for nobody, and is all that an upload that waits for its turn has in memory. */
const smallBytes = 256 * 1024;

/** How many objects that are not small go up at the same time: each has two parts in memory. */
const largeAtATime = 8;

/** No answer within this time: the request has failed, and may be tried again. */
const timeoutMs = 30_000;

/** Objects in a bucket of S3, or of what speaks its protocol; it gives them out itself, by presigned URLs. */
export class S3Store implements ObjectStore {
  readonly name = "s3";
  readonly #client: S3Client;
  readonly #bucket: string;
  #turns = largeAtATime;
  readonly #waiting: (() => void)[] = [];

  constructor({ bucket, region, endpoint, pathStyle, credentials }: S3Options) {
    this.#bucket = bucket;
    this.#client = new S3Client({
      region,
      forcePathStyle: pathStyle,
      ...(endpoint !== undefined && { endpoint }),
      ...(credentials && { credentials }),
      maxAttempts: 3,
      requestHandler: { requestTimeout: timeoutMs, connectionTimeout: 3_000, throwOnRequestTimeout: true },
      // not every server that speaks S3 knows the newer checksums
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
  }

  async put(key: string, content: AsyncIterable<Uint8Array>, labels: Labels): Promise<void> {
    const params = {
      Bucket: this.#bucket,
      Key: key,
      ContentType: "application/gzip",
      Metadata: { ...labels },
    };
    const source = content[Symbol.asyncIterator]();
    const head: Uint8Array[] = [];
    const putIfEnded = async (below: number): Promise<boolean> => {
      for (let size = sizeOf(head); size < below; ) {
        const { done, value } = await source.next();
        if (done) {
          await this.#client.send(new PutObjectCommand({ ...params, Body: Buffer.concat(head) }));
          return true;
        }
        head.push(value);
        size += value.byteLength;
      }
      return false;
    };
    if (await putIfEnded(smallBytes)) return;
    await this.#turn();
    try {
      if (!(await putIfEnded(partBytes))) await this.#putInParts(params, chained(head, source));
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#turns++;
    }
  }

  /** Waits until one of those that go up has ended, where they are many. */
  async #turn(): Promise<void> {
    if (this.#turns > 0) this.#turns--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #putInParts(params: PutObjectCommandInput, content: AsyncIterable<Uint8Array>): Promise<void> {
    const Body = Readable.from(content, { objectMode: false });
    // a part at a time: two of them in memory, whatever the size; what fails is given up at the server, too
    await new Upload({
      client: this.#client,
      params: { ...params, Body },
      queueSize: 1,
      partSize: partBytes,
    }).done();
  }

  async get(key: string): Promise<Readable> {
    try {
      const { Body } = await this.#client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }));
      if (!(Body instanceof Readable)) throw new TypeError("the S3 client gave no stream");
      return Body;
    } catch (error) {
      if (error instanceof NoSuchKey) throw new ObjectMissing(key, { cause: error });
      throw error;
    }
  }

  url(key: string, seconds: number, signedAt: Date): Promise<string> {
    const command = new GetObjectCommand({ Bucket: this.#bucket, Key: key });
    return getSignedUrl(this.#client, command, { expiresIn: seconds, signingDate: signedAt });
  }

  async delete(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }));
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    for (let token: string | undefined; ; ) {
      const page = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: `${prefix}/`,
          ...(token && { ContinuationToken: token }),
        }),
      );
      for (const { Key, LastModified } of page.Contents ?? [])
        if (Key !== undefined && isKey(Key) && LastModified) yield { key: Key, storedAt: LastModified };
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (token === undefined) return;
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }
}

const sizeOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);

async function* chained(head: Uint8Array[], source: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  while (head.length > 0) yield head.shift() as Uint8Array;
  for (let next = await source.next(); !next.done; next = await source.next()) yield next.value;
}

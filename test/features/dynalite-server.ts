import { once } from "node:events";
import type { Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import {
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
} from "@aws-sdk/client-dynamodb";

/** dynalite is CommonJS without types. */
const dynalite: (options: { createTableMs: number }) => Server = createRequire(import.meta.url)("dynalite");

/** What any signer accepts; dynalite does not check signatures. */
export const testCredentials = async () => ({ accessKeyId: "local", secretAccessKey: "local" });

/** A DynamoDB on a loopback port of its own, in memory, that speaks the real protocol. */
export class DynaliteServer {
  readonly #server: Server;
  readonly #client: DynamoDBClient;
  readonly port: number;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    this.#client = new DynamoDBClient({
      endpoint: `http://127.0.0.1:${port}`,
      region: "us-east-1",
      credentials: testCredentials,
    });
  }

  static async start(): Promise<DynaliteServer> {
    const server = dynalite({ createTableMs: 0 });
    // Else it closes what is idle for five seconds, just when the next request may be on its way there.
    server.keepAliveTimeout = 0;
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new DynaliteServer(server, (server.address() as AddressInfo).port);
  }

  async createTable(name: string, keyAttribute = "key"): Promise<void> {
    await this.#client.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [{ AttributeName: keyAttribute, AttributeType: "S" }],
        KeySchema: [{ AttributeName: keyAttribute, KeyType: "HASH" }],
      }),
    );
    // It is made a timer later, and nothing can be put into it before.
    for (let status: unknown; status !== "ACTIVE"; ) {
      const { Table } = await this.#client.send(new DescribeTableCommand({ TableName: name }));
      status = Table?.TableStatus;
    }
  }

  async putItem(table: string, item: Record<string, AttributeValue>): Promise<void> {
    await this.#client.send(new PutItemCommand({ TableName: table, Item: item }));
  }

  async close(): Promise<void> {
    this.#client.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

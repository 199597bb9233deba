import { AssignerProtocol, type Kafka, type PartitionAssigner, PartitionAssigners } from "kafkajs";
import { ConfigurationError } from "../errors.ts";

const { MemberMetadata } = AssignerProtocol;

/** Not to be tried again: only a person can put that right. */
const refusal = (group: string): ConfigurationError =>
  Object.assign(
    new ConfigurationError(
      `The consumer group "${group}" is used by another database, and each would get half of the messages: ` +
        "two cells have the same name, or a copy of a database runs beside it.",
    ),
    { retriable: false },
  );

/**
 * A member that does not say what it belongs to, of an earlier release or while the group forms, is let be.
 */
function isForeign(metadata: Buffer, identity: string): boolean {
  if (metadata.length === 0) return false;
  const said = MemberMetadata.decode(metadata)?.userData?.toString() ?? "";
  return said !== "" && said !== identity;
}

/**
 * Partitions go round, as usual, and each member says to which database it belongs. Where two begin at the
 * same moment, the one that shares partitions out sees the other and gives up with a ConfigurationError.
 */
export const ownAssigner =
  (group: string, identity: string): PartitionAssigner =>
  (config) => {
    const usual = PartitionAssigners.roundRobin(config);
    return {
      ...usual,
      protocol: ({ topics }) => ({
        name: usual.name,
        metadata: MemberMetadata.encode({ version: usual.version, topics, userData: Buffer.from(identity) }),
      }),
      async assign(given) {
        if (given.members.some(({ memberMetadata }) => isForeign(memberMetadata, identity)))
          throw refusal(group);
        return usual.assign(given);
      },
    };
  };

/**
 * Looks whether everybody in the group stores into the same database.
 * @throws ConfigurationError, one sentence, when somebody does not
 */
export async function requireOwnGroup(kafka: Kafka, group: string, identity: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const { groups } = await admin.describeGroups([group]).finally(() => admin.disconnect());
  const members = groups.flatMap((one) => one.members);
  if (members.some(({ memberMetadata }) => isForeign(memberMetadata, identity))) throw refusal(group);
}

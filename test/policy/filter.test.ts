import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { below, hex, pick, type Random, seeded } from "../../dev/samples/random.ts";
import { rolledBack, testDatabase } from "../support/database.ts";

const database = testDatabase();
// A test and not a hook: the hooks of a file are all started at once, this needs the database.
const variables = {
  likelihood: 2n,
  impact: 3n,
  severity: 5n,
  totalRisk: 7n,
  likelihoodThreshold: 11n,
  impactThreshold: 13n,
  severityThreshold: 17n,
  totalRiskThreshold: 19n,
};
type Variables = Record<keyof typeof variables, bigint>;
const names = Object.keys(variables) as (keyof Variables)[];
const largest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

async function compile(filter: string): Promise<string[]> {
  const { rows } = await database.pool.query("select compile_filter($1) as compiled", [filter]);
  return rows[0].compiled;
}

async function evaluate(filter: string, given: Partial<Variables> = {}): Promise<bigint | null> {
  const { rows } = await database.pool.query(
    "select evaluate_filter(compile_filter($1), $2, $3, $4, $5, $6, $7, $8, $9) as value",
    [filter, ...Object.values({ ...variables, ...given }).map(String)],
  );
  return rows[0].value === null ? null : BigInt(rows[0].value);
}

async function refused(filter: string, code: string, message: string): Promise<void> {
  await assert.rejects(
    compile(filter),
    (error) => {
      assert.ok(error instanceof pg.DatabaseError, String(error));
      assert.deepEqual([error.code, error.message], [code, message], filter);
      return true;
    },
    filter,
  );
}

const refusedAt = (filter: string, position: number, problem: string) =>
  refused(filter, "NTF03", `the filter cannot be read at position ${position}: ${problem}`);

/**
 * For each filter its value, "null" where it divides by zero, or the SQLSTATE of its error as "error 22003".
 */
async function outcomes(cases: { filter: string; given: Variables }[]): Promise<string[]> {
  return await rolledBack(database.pool, async (client) => {
    await client.query("set local statement_timeout = '60s'");
    await client.query(`
      create function pg_temp.outcome(filter text, v bigint[]) returns text language plpgsql as $$
      begin
        return coalesce(evaluate_filter(compile_filter(filter), v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8])::text, 'null');
      exception when others then
        return 'error ' || sqlstate;
      end $$`);
    const { rows } = await client.query(
      `select pg_temp.outcome(filter, given::bigint[]) as outcome
       from unnest($1::text[], $2::text[]) with ordinality as c (filter, given, number)
       order by number`,
      [cases.map((it) => it.filter), cases.map((it) => `{${names.map((name) => it.given[name]).join()}}`)],
    );
    return rows.map((row) => row.outcome);
  });
}

test("a filter compiles to postfix order", async () => {
  assert.deepEqual(await compile("totalRisk >= totalRiskThreshold"), [
    "totalRisk",
    "totalRiskThreshold",
    ">=",
  ]);
  assert.deepEqual(await compile("-1 - !impact * (2 + 3)"), "1 neg impact ! 2 3 + * -".split(" "));
});

test("a filter reads each of its variables", async () => {
  for (const name of names) assert.equal(await evaluate(name), variables[name], name);
});

test("null stays null", async () => {
  const { rows } = await database.pool.query("select compile_filter(null) as compiled");
  assert.equal(rows[0].compiled, null);
});

for (const [filter, value] of [
  // each operator
  ["7 * 3", 21n],
  ["7 / 3", 2n],
  ["7 % 3", 1n],
  ["7 + 3", 10n],
  ["7 - 3", 4n],
  ["3 == 3", 1n],
  ["3 == 4", 0n],
  ["3 != 3", 0n],
  ["3 != 4", 1n],
  ["3 < 3", 0n],
  ["3 < 4", 1n],
  ["3 <= 3", 1n],
  ["3 <= 2", 0n],
  ["3 > 3", 0n],
  ["3 > 2", 1n],
  ["3 >= 3", 1n],
  ["3 >= 4", 0n],
  ["2 && 4", 1n],
  ["2 && 0", 0n],
  ["0 && 2", 0n],
  ["-1 && -1", 1n],
  ["0 || 0", 0n],
  ["2 || 0", 1n],
  ["0 || -4", 1n],
  ["-4", -4n],
  ["!4", 0n],
  ["!0", 1n],
  // how tightly they bind
  ["2 + 3 * 4", 14n],
  ["2 * 3 + 4", 10n],
  ["(2 + 3) * 4", 20n],
  ["9 - 6 / 3", 7n],
  ["9 - 7 % 4", 6n],
  ["1 + 2 == 3", 1n],
  ["3 == 1 + 2", 1n],
  ["4 > 2 + 3", 0n],
  ["4 - 1 != 4 - 1", 0n],
  ["2 && 2 == 2", 1n],
  ["2 == 2 && 2", 1n],
  ["0 && 0 == 0", 0n],
  ["0 == 1 && 0", 0n],
  ["1 || 0 && 0", 1n],
  ["0 && 0 || 1", 1n],
  ["(1 || 0) && 0", 0n],
  ["-2 + 3", 1n],
  ["-7 % 4", -3n],
  ["!0 + 1", 2n],
  ["!2 * 3 == 0", 1n],
  ["!(2 * 3 == 0)", 1n],
  ["!0 && 0", 0n],
  ["!1 || 1", 1n],
  // from left to right
  ["9 - 5 - 2", 2n],
  ["9 - 5 + 2", 6n],
  ["100 / 10 / 2", 5n],
  ["100 / 10 * 2", 20n],
  ["7 * 3 / 2", 10n],
  ["7 % 4 * 2", 6n],
  ["7 * 5 % 4", 3n],
  ["3 > 2 > 1", 0n],
  ["1 < 2 == 1", 1n],
  ["2 == 2 >= 1", 1n],
  ["5 != 5 == 0", 1n],
  ["3 <= 2 < 1", 1n],
  // prefixes
  ["--4", 4n],
  ["- - -4", -4n],
  ["!!4", 1n],
  ["!-4", 0n],
  ["-!0", -1n],
  ["2 * -3", -6n],
  ["2--3", 5n],
  ["2 - - -3", -1n],
  ["1 == !0", 1n],
  ["-(2 + 3)", -5n],
  ["!!!(0)", 1n],
  // division goes toward zero
  ["-7 / 2", -3n],
  ["7 / -2", -3n],
  ["-7 / -2", 3n],
  ["-7 % 2", -1n],
  ["7 % -2", 1n],
  ["-7 % -2", -1n],
  ["-1 / 2", 0n],
  // 64 bits wrap around
  ["9223372036854775807", largest],
  ["9223372036854775807 + 1", smallest],
  ["-9223372036854775807 - 1", smallest],
  ["-9223372036854775807 - 2", largest],
  ["9223372036854775807 * 2", -2n],
  ["9223372036854775807 * 9223372036854775807", 1n],
  ["4294967296 * 4294967296", 0n],
  ["3037000500 * 3037000500", -9223372036709301616n],
  ["-(-9223372036854775807 - 1)", smallest],
  ["(-9223372036854775807 - 1) / -1", smallest],
  ["(-9223372036854775807 - 1) % -1", 0n],
  ["(-9223372036854775807 - 1) * (-9223372036854775807 - 1)", 0n],
  ["(-9223372036854775807 - 1) * -1", smallest],
  ["9223372036854775807 + 1 < 0", 1n],
  // white space, comments, the absence of both
  ["  1\t+\r\n2\n", 3n],
  ["1+2*3-4/2%5", 5n],
  ["1 // + 1\n + 2", 3n],
  ["1 // + 1", 1n],
  ["1 + 2 //", 3n],
  ["// first\n// second\n1", 1n],
  ["1 /* + 1 */ + 2", 3n],
  ["/**/1/***/+/*/*/2/* ** / **/", 3n],
  ["1 /* a */ + 2 /* b */ + 4", 7n],
  ["1 /* // */ + 2", 3n],
  ["1 // /*\n + 2", 3n],
  ["1 /* é 😀\n */ + 2", 3n],
  ["((((1))))", 1n],
  ["totalRisk>=totalRiskThreshold&&!(impact<impactThreshold)", 0n],
  ["totalRisk >= totalRiskThreshold - 12 && impact > likelihood", 1n],
] as const)
  test(`${JSON.stringify(filter)} is ${value}`, async () => assert.equal(await evaluate(filter), value));

test("a division by zero has no value, wherever it stands", async () => {
  for (const filter of [
    "likelihood / 0",
    "0 / 0",
    "7 % (impact - 3)",
    "1 || 1/0",
    "1/0 || 1",
    "0 && 1%0",
    "1%0 && 0",
    "0 * (-4/0)",
  ])
    assert.equal(await evaluate(filter), null, filter);
});

const known = `the variables are: ${names.join(", ")}`;
const operators = "the operators are: ! * / % + - == != < <= > >= && ||";
const operandBefore = (token: string) => `a number or a variable is missing before "${token}"`;
const operandAtEnd = "a number or a variable is missing at the end";
const operatorBefore = (token: string) => `an operator is missing before "${token}"`;
const notDecimal = (token: string) => `"${token}" is not a decimal number`;
const tooLarge = (token: string) =>
  `the number "${token}" is beyond 64 bits, the largest is 9223372036854775807`;

for (const [filter, position, problem] of [
  ["totalrisk > 1", 1, `there is no variable "totalrisk"; ${known}`],
  ["1 < Impact", 5, `there is no variable "Impact"; ${known}`],
  ["1 + _", 5, `there is no variable "_"; ${known}`],
  ["neg", 1, `there is no variable "neg"; ${known}`],
  ["impact2", 1, `there is no variable "impact2"; ${known}`],
  ["true && 1", 1, `there is no variable "true"; ${known}`],
  ["impact = 1", 8, `unknown character "="; ${operators}`],
  ["impact === 1", 10, `unknown character "="; ${operators}`],
  ["impact & 1", 8, `unknown character "&"; ${operators}`],
  ["impact | 1", 8, `unknown character "|"; ${operators}`],
  ["impact ||| 1", 10, `unknown character "|"; ${operators}`],
  ["impact > 1;", 11, `unknown character ";"; ${operators}`],
  ["impact ^ 1", 8, `unknown character "^"; ${operators}`],
  ["'1'", 1, `unknown character "'"; ${operators}`],
  ['"1"', 1, `unknown character """; ${operators}`],
  ["\\d", 1, `unknown character "\\"; ${operators}`],
  [".5", 1, `unknown character "."; ${operators}`],
  ["1 +\u00a02", 4, `unknown character "\u00a0"; ${operators}`],
  ["1\f", 2, `unknown character "\f"; ${operators}`],
  ["/* é😀 */ impact é", 17, `unknown character "é"; ${operators}`],
  ["/* é😀\n */ 😀", 11, `unknown character "😀"; ${operators}`],
  ["1 + * 2", 5, operandBefore("*")],
  ["* 2", 1, operandBefore("*")],
  ["+1", 1, operandBefore("+")],
  ["totalRisk++", 11, operandBefore("+")],
  ["1 =! 2", 3, `unknown character "="; ${operators}`],
  ["1 && || 2", 6, operandBefore("||")],
  ["1 < > 2", 5, operandBefore(">")],
  ["1 <= == 2", 6, operandBefore("==")],
  ["()", 2, operandBefore(")")],
  ["(1 + ) * 2", 6, operandBefore(")")],
  ["(-)", 3, operandBefore(")")],
  ["1 +", 4, operandAtEnd],
  ["1 + // two", 11, operandAtEnd],
  ["-", 2, operandAtEnd],
  ["!", 2, operandAtEnd],
  ["(", 2, operandAtEnd],
  ["1 2 +", 3, operatorBefore("2")],
  ["likelihood impact", 12, operatorBefore("impact")],
  ["1 ! 2", 3, operatorBefore("!")],
  ["impact !", 8, operatorBefore("!")],
  ["1 (2)", 3, operatorBefore("(")],
  ["(1)(2)", 4, operatorBefore("(")],
  ["(1) impact", 5, operatorBefore("impact")],
  ["1 // and\n2", 10, operatorBefore("2")],
  [")", 1, '")" without a "(" before it'],
  ["1)", 2, '")" without a "(" before it'],
  ["(1 + 2)) * 3", 8, '")" without a "(" before it'],
  [")1(", 1, '")" without a "(" before it'],
  ["(1", 1, '"(" without a ")" after it'],
  ["1 + (2 * (3)", 5, '"(" without a ")" after it'],
  ["1 + (2 * (3", 10, '"(" without a ")" after it'],
  ["0x02", 1, notDecimal("0x02")],
  ["1 + 010", 5, notDecimal("010")],
  ["00", 1, notDecimal("00")],
  ["1_000", 1, notDecimal("1_000")],
  ["1.5 > 1", 1, notDecimal("1.5")],
  ["1e3", 1, notDecimal("1e3")],
  ["2impact", 1, notDecimal("2impact")],
  ["9223372036854775808", 1, tooLarge("9223372036854775808")],
  ["-9223372036854775808", 2, tooLarge("9223372036854775808")],
  ["1 + 99999999999999999999999", 5, tooLarge("99999999999999999999999")],
  ["1 /* + 2", 3, 'the comment "/*" does not end'],
  ["1 /*/", 3, 'the comment "/*" does not end'],
  ["1 /* a */ /* b", 11, 'the comment "/*" does not end'],
  ["1 */ 2", 4, operandBefore("/")],
  // the first problem counts
  ["1 + foo bar )", 5, `there is no variable "foo"; ${known}`],
] as const)
  test(`${JSON.stringify(filter)} is refused at position ${position}`, () =>
    refusedAt(filter, position, problem));

test("a filter without anything in it is refused", async () => {
  for (const filter of ["", " \n\t", "// nothing", "/* nothing */ // at all\n"])
    await refused(filter, "NTF02", "the filter is empty");
});

test("a filter may have 4000 characters and not more", async () => {
  const longest = `${"1+".repeat(1999)}10`;
  assert.equal(longest.length, 4000);
  assert.equal(await evaluate(longest), 2009n);
  await refused(`${longest}0`, "NTF01", "the filter has 4001 characters; it may have 4000");
  assert.equal(await evaluate(`1${"😀".repeat(3990).replace(/^/, "/*")}*/`), 1n);
  assert.equal(await evaluate(`${"!".repeat(3999)}1`), 0n);
});

test("parentheses may be nested 100 deep and not more", async () => {
  const nested = (depth: number) => `${"(".repeat(depth)}1${")".repeat(depth)}`;
  assert.equal(await evaluate(nested(100)), 1n);
  assert.equal(await evaluate(`${nested(100)} + ${nested(100)}`), 2n);
  await refusedAt(nested(101), 101, '"(" is nested deeper than 100');
  await refusedAt(`1 + ${nested(101)}`, 105, '"(" is nested deeper than 100');
});

type Expression =
  | { text: string; value: bigint }
  | { prefix: "-" | "!"; of: Expression }
  | { operator: string; left: Expression; right: Expression };

const operatorsByBinding = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"]];
const arithmetic = operatorsByBinding.slice(3);
const binding = (expression: Expression) =>
  "operator" in expression
    ? operatorsByBinding.findIndex((those) => those.includes(expression.operator))
    : operatorsByBinding.length;

function anyExpression(random: Random, given: Variables, depth: number): Expression {
  const kind = depth === 0 ? 0 : below(random, 10);
  if (kind < 2) {
    const name = pick(random, names);
    const number = anyInteger(random);
    return random() < 0.5 ? { text: name, value: given[name] } : { text: String(number), value: number };
  }
  if (kind < 4)
    return { prefix: pick(random, ["-", "-", "-", "!"]), of: anyExpression(random, given, depth - 1) };
  return {
    operator: pick(random, pick(random, [...operatorsByBinding, ...arithmetic, ...arithmetic])),
    left: anyExpression(random, given, depth - 1),
    right: anyExpression(random, given, depth - 1),
  };
}

/** With the parentheses it needs, and now and then some that it does not. */
function written(random: Random, expression: Expression): string {
  const gap = () => pick(random, ["", "", "", " ", " ", "\n", " // c )\n", " /* c ( */ "]);
  const inside = (part: Expression, loosest: number) =>
    binding(part) < loosest || random() < 0.1
      ? `(${gap()}${written(random, part)}${gap()})`
      : written(random, part);
  if ("text" in expression) return expression.text;
  if ("prefix" in expression)
    return expression.prefix + gap() + inside(expression.of, operatorsByBinding.length);
  const own = binding(expression);
  return [
    inside(expression.left, own),
    gap(),
    expression.operator,
    gap(),
    inside(expression.right, own + 1),
  ].join("");
}

function postfix(expression: Expression): string[] {
  if ("text" in expression) return [expression.text];
  if ("prefix" in expression)
    return [...postfix(expression.of), expression.prefix === "-" ? "neg" : expression.prefix];
  return [...postfix(expression.left), ...postfix(expression.right), expression.operator];
}

/** null: a part of it divides by zero. */
function worth(expression: Expression): bigint | null {
  if ("text" in expression) return expression.value;
  if ("prefix" in expression) {
    const value = worth(expression.of);
    if (value === null) return null;
    return expression.prefix === "-" ? BigInt.asIntN(64, -value) : BigInt(value === 0n);
  }
  const left = worth(expression.left);
  const right = worth(expression.right);
  if (left === null || right === null) return null;
  const operator = expression.operator;
  if (right === 0n && (operator === "/" || operator === "%")) return null;
  const calculate: Record<string, () => bigint | boolean> = {
    "*": () => left * right,
    "/": () => left / right,
    "%": () => left % right,
    "+": () => left + right,
    "-": () => left - right,
    "==": () => left === right,
    "!=": () => left !== right,
    "<": () => left < right,
    "<=": () => left <= right,
    ">": () => left > right,
    ">=": () => left >= right,
    "&&": () => left !== 0n && right !== 0n,
    "||": () => left !== 0n || right !== 0n,
  };
  return BigInt.asIntN(64, BigInt((calculate[operator] as () => bigint | boolean)()));
}

/** Of any size that 64 bits hold, not negative. */
function anyInteger(random: Random): bigint {
  const bits = BigInt.asUintN(below(random, 64), BigInt(`0x${hex(random, 16)}`));
  return pick(random, [bits, bits, bits, 1n, 2n, largest]);
}

function anyVariables(random: Random): Variables {
  const value = () => pick(random, [anyInteger(random), -anyInteger(random), smallest]);
  return Object.fromEntries(names.map((name) => [name, value()])) as Variables;
}

const seed = Number(process.env.SEED ?? below(Math.random, 2 ** 32));

test(`2000 expressions compile to their postfix order and come to what BigInt says (SEED=${seed})`, async () => {
  const random = seeded(seed);
  const cases = Array.from({ length: 2000 }, () => {
    const given = anyVariables(random);
    const expression = anyExpression(random, given, 1 + below(random, 5));
    return { given, expression, filter: written(random, expression) };
  });
  const { rows } = await database.pool.query(
    "select compile_filter(filter) as compiled from unnest($1::text[]) with ordinality as c (filter, number) order by number",
    [cases.map((it) => it.filter)],
  );
  const found = await outcomes(cases);
  for (const [index, { filter, given, expression }] of cases.entries()) {
    assert.deepEqual(rows[index].compiled, postfix(expression), filter);
    assert.equal(found[index], String(worth(expression)), describe(filter, given));
  }
  const values = found.filter((it) => it !== "null");
  assert.ok(
    values.length < cases.length && new Set(values).size > 300,
    `${values.length} values, ${new Set(values).size} different`,
  );
});

test(`2000 rows of tokens compile exactly when the grammar allows them (SEED=${seed})`, async () => {
  const random = seeded(seed + 1);
  const operands = ["1", "3", "42", "impact", "totalRisk"];
  const infix = operatorsByBinding.flat().filter((it) => it !== "-");
  const wrong = ["=", "&", "|", "foo", "0x02", "010", "é", ";", "++ ", "1.5"];
  const cases = Array.from({ length: 2000 }, () => {
    let kinds = "";
    const tokens = Array.from({ length: 1 + below(random, 12) }, () => {
      const kind = pick(random, [..."xxxxoo-!()", random() < 0.2 ? "?" : "x"]);
      kinds += kind;
      return kind === "x"
        ? pick(random, operands)
        : kind === "o"
          ? pick(random, infix)
          : kind === "?"
            ? pick(random, wrong)
            : kind;
    });
    return { filter: tokens.join(" "), given: variables, allowed: allows(kinds) };
  });
  const found = await outcomes(cases);
  for (const [index, { filter, given, allowed }] of cases.entries())
    assert.match(
      found[index] ?? "",
      allowed ? /^(-?\d+|null)$/ : /^error NTF0[123]$/,
      describe(filter, given),
    );
  assert.ok(cases.filter((it) => it.allowed).length > 50);
});

/** x: operand, o: infix, - and !: themselves. What stands in parentheses and is right becomes an operand. */
function allows(kinds: string): boolean {
  const inner = kinds.replace(/\([-!]*x([o-][-!]*x)*\)/g, "x");
  return inner === kinds ? /^[-!]*x([o-][-!]*x)*$/.test(kinds) : allows(inner);
}

test(`2000 strings are read or refused, nothing else happens (SEED=${seed})`, async () => {
  const random = seeded(seed + 2);
  const pieces = [
    ..."()-!+*/%<>=&|.,;:'\"\\?{}[]$@#^~`_ \t\r\n\f\v\u00a0\u2028\u200bé😀Ω٣0123456789",
    ...names,
    ...operatorsByBinding.flat(),
    ..."/* */ // 0x 1e9 neg null 9223372036854775807 9223372036854775808 %s $$ --".split(" "),
  ];
  const cases = Array.from({ length: 2000 }, (_, index) => {
    const most = index % 100 === 0 ? 900 : 15;
    const alphabet = index % 2 === 0 ? pieces : Array.from({ length: 4 }, () => pick(random, pieces));
    return {
      filter: Array.from({ length: below(random, most) }, () => pick(random, alphabet)).join(""),
      given: variables,
    };
  });
  const found = await outcomes(cases);
  for (const [index, { filter, given }] of cases.entries())
    assert.match(found[index] ?? "", /^(-?\d+|null|error NTF0[123])$/, describe(filter, given));
});

const describe = (filter: string, given: Variables) =>
  `${JSON.stringify(filter)} with ${JSON.stringify(given, (_, value) => (typeof value === "bigint" ? String(value) : value))}`;

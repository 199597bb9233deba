/** Values as Go's own encoding/gob (1.26) writes them, and what decodeGob makes of them. */
export const gobSamples: { name: string; hex: string; value: unknown }[] = [
  {
    name: "an int",
    hex: "050400fe0101",
    value: -129,
  },
  {
    name: "the largest uint64",
    hex: "0b0600f8ffffffffffffffff",
    value: 18446744073709551615n,
  },
  {
    name: "the smallest int64",
    hex: "0b0400f8ffffffffffffffff",
    value: -9223372036854775808n,
  },
  {
    name: "a float",
    hex: "050800fe3140",
    value: 17,
  },
  {
    name: "a negative float",
    hex: "0b0800f89a9999999999b9bf",
    value: -0.1,
  },
  {
    name: "NaN",
    hex: "0b0800f8010000000000f87f",
    value: Number.NaN,
  },
  {
    name: "a string",
    hex: "080c000568c3a4c39f",
    value: "häß",
  },
  {
    name: "a []byte",
    hex: "060a00030102ff",
    value: Uint8Array.of(1, 2, 255),
  },
  {
    name: "a bool",
    hex: "03020001",
    value: true,
  },
  {
    name: "a slice",
    hex: "0b7f020102ff80000104000007ff800003000201",
    value: [0, 1, -1],
  },
  {
    name: "a map",
    hex: "0eff81040102ff8200010c0102000007ff820001017801",
    value: { x: true },
  },
  {
    name: "an array of zero values",
    hex: "0eff83010102ff8400010c0104000006ff8400020000",
    value: ["", ""],
  },
  {
    name: "a complex number",
    hex: "070e00fef03fffc0",
    value: [1, -2],
  },
  {
    name: "a time.Time",
    hex: "10ff850501010454696d6501ff8600000013ff86000f010000000ed61f14d800000005ffff",
    value: Uint8Array.of(1, 0, 0, 0, 14, 214, 31, 20, 216, 0, 0, 0, 5, 255, 255),
  },
  {
    name: "an empty map",
    hex: "0eff87040102ff8800010c0104000004ff880000",
    value: {},
  },
  {
    name: "a struct without a value",
    hex: "12ffa7030102ffa8000101010141010400000003ffa800",
    value: {},
  },
  {
    name: "a map with keys that every object has",
    hex: "0eff87040102ff8800010c010400001cff880002095f5f70726f746f5f5f020b636f6e7374727563746f7204",
    value: Object.fromEntries([
      ["__proto__", 1],
      ["constructor", 2],
    ]),
  },
  {
    name: "an interface, whose value is in the next message",
    hex: "261000076d61696e2e496eff9103010102496e01ff92000102010141010400010142011000000006ff9203010600",
    value: { A: 3 },
  },
  {
    name: "an interface in an interface, with the definitions inside",
    hex:
      "18ffa5030101044465657001ffa6000101010158011000000027ffa601076d61696e2e496eff9103010102496e01ff92" +
      "000102010141010400010142011000000045ff9241010201096d61696e2e44656570ffa627010b6d61696e2e496e6e65" +
      "7232ffa303010106496e6e65723201ffa4000101010153010c00000008ffa40401017a00000000",
    value: { X: { A: 1, B: { X: { S: "z" } } } },
  },
  {
    name: "a slice of interfaces",
    hex:
      "1cff930201010e5b5d696e74657266616365207b7d01ff94000110000028ff940001076d61696e2e496eff9103010102" +
      "496e01ff92000102010141010400010142011000000035ff92290102010b6d61696e2e496e6e657232ffa30301010649" +
      "6e6e65723201ffa4000101010153010c00000008ffa40401017a0000",
    value: [{ A: 1, B: { S: "z" } }],
  },
  {
    name: "a struct with a field of each kind, zero ones and pointers among them",
    hex:
      "ffc8ff8903010103416c6c01ff8a00011901014201020001014901040001014e01040001015501060001034d61780106" +
      "0001034d696e010400010146010800010147010800010143010e00010153010c00010159010a00010341727201ff8c00" +
      "0102536c01ff8e0001014d01ff880001024d4901ff900001015401ff860001015001ff920001014501100001034e696c" +
      "0110000103416e7901ff94000102456d01ff9600010342696701ff980001044164647201ff9a000102535301ff9e0001" +
      "0352656301ffa000000016ff8b010101065b335d696e7401ff8c0001040106000016ff8d020101085b5d737472696e67" +
      "01ff8e00010c00000eff87040102ff8800010c010400001eff8f0401010e6d61705b696e745d737472696e6701ff9000" +
      "0104010c000010ff850501010454696d6501ff860000001cff9103010102496e01ff9200010201014101040001014201" +
      "100000001cff930201010e5b5d696e74657266616365207b7d01ff94000110000015ff9503010109737472756374207b" +
      "7d01ff960000000aff97050102ffa200000010ff99060101044164647201ff9a00000017ff9d020101085b5d5b5d626f" +
      "6f6c01ff9e0001ff9c00000cff9b020102ff9c000102000021ff9f0301010352656301ffa00001020101560104000104" +
      "4e65787401ffa0000000fe0112ff8a0101010901f94000000000000201fe012c01f8ffffffffffffffff01f8ffffffff" +
      "ffffffff01f89a9999999999b9bf01fef83f01fee03f40010174010200ff010302000101020001620101016b02010101" +
      "016d010f010000000ed61f14d800000000ffff0101020106737472696e670c030001780001076d61696e2e496eff9229" +
      "0104010b6d61696e2e496e6e657232ffa303010106496e6e65723201ffa4000101010153010c00000009ffa405010269" +
      "6e0000020603696e740402000206737472696e670c03000173000b6d61696e2e496e6e657232ffa4040101710007666c" +
      "6f61743634080400fe0c4004626f6f6c0202000101000102024d01040a000001010202010000010102010104000000",
    value: {
      B: true,
      I: -5,
      N: 9007199254740993n,
      U: 300,
      Max: 18446744073709551615n,
      Min: -9223372036854775808n,
      F: -0.1,
      G: 1.5,
      C: [0.5, 2],
      S: "t",
      Y: Uint8Array.of(0, 255),
      Arr: [1, 0, -1],
      Sl: ["", "b"],
      M: { k: 1 },
      MI: new Map([[-1, "m"]]),
      T: Uint8Array.of(1, 0, 0, 0, 14, 214, 31, 20, 216, 0, 0, 0, 0, 255, 255),
      P: { A: 1, B: "x" },
      E: { A: 2, B: { S: "in" } },
      Any: [1, "s", null, { S: "q" }, 3.5, true],
      Em: {},
      Big: Uint8Array.of(2, 77),
      Addr: Uint8Array.of(10, 0, 0, 1),
      SS: [[true, false], []],
      Rec: { V: 1, Next: { V: 2 } },
    },
  },
];

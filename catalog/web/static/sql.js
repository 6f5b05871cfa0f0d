// Read SQL as far as an editor must: pieces for colours, names of parameters, tables and their aliases.

const KEYWORDS = new Set(
  ("select from where group by order having limit offset with recursive as on using join left right full inner outer cross " +
    "semi anti asof positional lateral union all except intersect distinct case when then else end and or not in is null " +
    "like ilike similar between exists any values cast try_cast interval over partition rows range preceding following " +
    "current row unbounded window qualify filter asc desc nulls first last true false pivot unpivot describe summarize " +
    "explain analyze exclude replace columns sample tablesample unnest").split(" "),
);

export const FUNCTIONS = (
  "abs any_value approx_count_distinct arg_max arg_min array_agg avg bar ceil coalesce concat corr count count_if " +
  "current_date date_diff date_part date_trunc dayofweek dense_rank epoch exp extract first first_value floor format " +
  "generate_series greatest hash histogram if ifnull isfinite json_extract json_extract_string json_keys kurtosis lag last " +
  "lead least length list list_contains list_distinct list_filter list_sort list_transform ln log2 lower ltrim max " +
  "mean median min mode now ntile nullif percent_rank pi power quantile_cont quantile_disc random range rank regexp_extract " +
  "regexp_matches regexp_replace replace round row_number rtrim skewness split_part sqrt stddev strftime string_agg " +
  "strlen strptime substring sum today trim try_cast unnest upper var_pop var_samp year"
).split(" ");

const PIECES = new RegExp(
  [
    "(?<comment>--[^\\n]*|/\\*[\\s\\S]*?(?:\\*/|$))",
    "(?<string>'(?:[^']|'')*(?:'|$)|\\$\\$[\\s\\S]*?(?:\\$\\$|$))",
    '(?<name>"(?:[^"]|"")*(?:"|$))',
    "(?<parameter>\\$[A-Za-z_]\\w*)",
    "(?<number>\\b\\d[\\d_]*(?:\\.\\d+)?(?:[eE][+-]?\\d+)?\\b)",
    "(?<word>[A-Za-z_]\\w*)",
    "(?<space>\\s+)",
    "(?<sign>.)",
  ].join("|"),
  "gsu",
);

/** Cut SQL into pieces: {kind, text, start}; the texts together are the SQL. */
export function pieces(sql) {
  return [...sql.matchAll(PIECES)].map((match) => {
    const [kind] = Object.entries(match.groups).find(([, text]) => text !== undefined);
    const isKeyword = kind === "word" && KEYWORDS.has(match[0].toLowerCase());
    return { kind: isKeyword ? "keyword" : kind, text: match[0], start: match.index };
  });
}

/** Name the parameters of a statement in the order in which they appear. */
export function parameterNames(sql) {
  return [...new Set(pieces(sql).filter(({ kind }) => kind === "parameter").map(({ text }) => text.slice(1)))];
}

/** Find which tables a statement reads, by alias: {p: "photos", photos: "photos"}. */
export function aliases(sql) {
  const tables = {};
  const plain = pieces(sql)
    .filter(({ kind }) => kind !== "comment" && kind !== "string")
    .map(({ text }) => text)
    .join("");
  for (const [, table, alias] of plain.matchAll(/\b(?:from|join|,)\s+([a-z_]\w*)(?:\s+(?:as\s+)?([a-z_]\w*))?/gi)) {
    tables[table.toLowerCase()] = table.toLowerCase();
    if (alias && !KEYWORDS.has(alias.toLowerCase())) tables[alias.toLowerCase()] = table.toLowerCase();
  }
  return tables;
}

/** Find the word that is being written before `at`, and the name before its dot. */
export function wordBefore(sql, at) {
  const match = /(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)?$/.exec(sql.slice(0, at));
  const word = match[2] ?? "";
  const kind = pieces(sql).findLast(({ start }) => start < at)?.kind;
  return { owner: match[1]?.toLowerCase() ?? null, word, start: at - word.length, isText: kind === "string" || kind === "comment" };
}

export const keywords = [...KEYWORDS].map((word) => word.toUpperCase());

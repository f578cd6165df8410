// Short ways to make tokenizer parts from JSON in tests. Quotes may be written as '.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "quarry/status.h"
#include "quarry/tokenizer.h"

#include "text/components_json.h"
#include "text/json_fields.h"
#include "text/pipeline.h"
#include "text/tokenizer_json.h"

namespace quarry::text {

inline std::string Quotes(std::string json) {
  std::replace(json.begin(), json.end(), '\'', '"');
  return json;
}

// Applies `parse` to the fields of a JSON object.
template <typename Parse>
auto ParsePart(const std::string& json, Parse parse) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  EXPECT_EQ(parser.parse(Quotes(json)).get(element), simdjson::SUCCESS) << json;
  return parse(JsonFields(element, "part"), 0);
}

inline std::string NormalizeWith(const std::string& json, std::string text) {
  const auto part = ParsePart(json, ParseNormalizer);
  if (!part.ok()) return "error: " + part.status().message();
  bool at_start = true;
  const Status s = (*part)->Apply(text, at_start);
  return s.ok() ? text : "error: " + s.message();
}

// The pieces, joined by '|'.
inline std::string PiecesWith(const std::string& json, const std::string& text) {
  const auto part = ParsePart(json, ParsePreTokenizer);
  if (!part.ok()) return "error: " + part.status().message();
  PieceList list{text, {{0, text.size(), kNoToken, true}}};
  if (const Status s = (*part)->Apply(list); !s.ok()) return "error: " + s.message();
  std::string out;
  for (const Piece& p : list.pieces) out += (out.empty() ? "" : "|") + std::string(list.View(p));
  return out;
}

// A tokenizer with the given model and further keys ("'decoder':{...},"), or an error.
inline Result<Tokenizer> MakeTokenizer(const std::string& model, const std::string& more = "") {
  return Tokenizer::FromJson(Quotes("{" + more + "'model':" + model + "}"));
}

// Ids of a text; {-1} and a failure of the test for an error.
inline std::vector<TokenId> Encode(const Result<Tokenizer>& tokenizer, const std::string& text) {
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  if (!tokenizer.ok()) return {-1};
  const Result<std::vector<TokenId>> ids = tokenizer->Encode(text);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : std::vector<TokenId>{-1};
}

}  // namespace quarry::text

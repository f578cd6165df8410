#include "tests/support/tokenizer_fixtures.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "quarry/tokenizer.h"

#include "base/utf8.h"
#include "tests/support/gzip.h"
#include "text/pieces.h"
#include "text/pipeline.h"
#include "text/regex.h"
#include "text/tokenizer_json.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Ids = std::vector<TokenId>;
using Results = std::vector<FixtureResult>;

void Refuse(std::string name, std::string_view why, Results& results) {
  results.push_back({std::move(name), false, std::string(why)});
}

std::vector<Json> ReadLines(const fs::path& path) {
  std::vector<Json> out;
  const std::optional<std::string> text = ReadMaybeGzip(path);
  if (!text) throw std::runtime_error("cannot read " + path.string());
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    if (end > begin) out.push_back(Json::parse(text->substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

// Counts the comparisons of one file and remembers the first that fails.
class Tally {
 public:
  template <typename T>
  void Expect(const Json& at, std::string_view what, const Result<T>& got, const Json& want) {
    ++compared_;
    if (!got.ok()) {
      Miss(at, what, got.status().message());
    } else if (Json(*got) != want) {
      Miss(at, what, fmt::format("got {} want {}", Short(Json(*got)), Short(want)));
    }
  }
  void ExpectTrue(const Json& at, std::string_view what, bool good, std::string_view detail) {
    ++compared_;
    if (!good) Miss(at, what, detail);
  }
  FixtureResult Finish(std::string name) const {
    std::string detail = fmt::format("{} of {} differ", misses_, compared_);
    if (misses_ > 0) detail += "; first: " + first_;
    return {std::move(name), misses_ == 0 && compared_ > 0, detail};
  }

 private:
  static std::string Short(const Json& value) {
    std::string s = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return s.size() <= 300 ? s : s.substr(0, 300) + "...";
  }
  void Miss(const Json& at, std::string_view what, std::string_view detail) {
    ++misses_;
    if (!first_.empty()) return;
    for (const char* key : {"variant", "pattern", "name"}) {
      if (at.contains(key)) first_ += at[key].get<std::string>() + " ";
    }
    first_ += fmt::format("{}: {}", what, detail);
  }
  size_t compared_ = 0;
  size_t misses_ = 0;
  std::string first_;
};

struct Loaded {
  std::shared_ptr<const text::Pipeline> pipeline;
  Tokenizer tokenizer;
};

Result<Loaded> Load(std::string_view json) {
  Result<text::TokenizerParts> parts = text::ParseTokenizerJson(json);
  if (!parts.ok()) return parts.status();
  auto pipeline = text::Pipeline::Create(std::move(*parts));
  if (!pipeline.ok()) return pipeline.status();
  return Loaded{*pipeline, Tokenizer(*pipeline)};
}

constexpr EncodeOptions kPlain = {.add_special_tokens = false, .parse_special = true};
constexpr EncodeOptions kWithSpecial = {.add_special_tokens = true, .parse_special = true};

void CheckEncodeCase(const Loaded& t, const Json& c, Tally& tally) {
  const auto text = c["text"].get<std::string>();
  tally.Expect(c, "ids", t.tokenizer.Encode(text, kPlain), c["ids"]);
  tally.Expect(c, "ids_with_special", t.tokenizer.Encode(text, kWithSpecial),
               c["ids_with_special"]);
  tally.Expect(c, "decoded", t.tokenizer.Decode(c["ids"].get<Ids>()), c["decoded"]);
  tally.Expect(c, "decoded_skip_special",
               t.tokenizer.Decode(c["ids_with_special"].get<Ids>(), {.skip_special = true}),
               c["decoded_skip_special"]);
}

void CheckEncode(const Loaded& t, const fs::path& dir, Tally& tally) {
  for (const Json& c : ReadLines(dir / "encode.jsonl")) CheckEncodeCase(t, c, tally);
}

void CheckStages(const Loaded& t, const fs::path& dir, Tally& tally) {
  std::map<std::string, std::string> texts;
  for (const Json& c : ReadLines(dir / "encode.jsonl")) texts[c["name"]] = c["text"];
  for (const Json& c : ReadLines(dir / "stages.jsonl")) {
    tally.ExpectTrue(c, "a stage", t.pipeline != nullptr, "");
    const Result<std::string> normalized = t.pipeline->Normalize(texts.at(c["name"]));
    if (c.contains("normalized")) tally.Expect(c, "normalized", normalized, c["normalized"]);
    if (!c.contains("pieces")) continue;
    if (!normalized.ok()) continue;
    tally.Expect(c, "pieces", t.pipeline->PreTokenize(*normalized), c["pieces"]);
  }
}

void CheckDecode(const Loaded& t, const fs::path& dir, Tally& tally) {
  for (const Json& c : ReadLines(dir / "decode.jsonl")) {
    const auto ids = c["ids"].get<Ids>();
    tally.Expect(c, "decoded", t.tokenizer.Decode(ids), c["decoded"]);
    tally.Expect(c, "decoded_skip_special", t.tokenizer.Decode(ids, {.skip_special = true}),
                 c["decoded_skip_special"]);
  }
}

// What must hold for any way of cutting a stream: pieces are valid UTF-8, and joined they are a
// beginning of the whole text at any time and all of it at the end.
void CheckStream(const Loaded& t, const fs::path& dir, Tally& tally) {
  for (const Json& c : ReadLines(dir / "stream.jsonl")) {
    Detokenizer stream(t.tokenizer, {.skip_special = c.value("skip_special", false)});
    const auto whole = c["decoded"].get<std::string>();
    const bool exact = !c.contains("error_at");
    std::string text;
    const auto take = [&](const Result<std::string>& piece) {
      tally.ExpectTrue(c, "a piece is valid UTF-8", piece.ok() && IsValidUtf8(*piece), "");
      if (piece.ok()) text += *piece;
      if (exact) {
        tally.ExpectTrue(c, "the text so far begins the whole", whole.starts_with(text),
                         Json(text).dump(-1, ' ', true));
      }
    };
    for (const TokenId id : c["ids"].get<Ids>()) take(stream.Add(id));
    take(stream.Flush());
    if (exact)
      tally.ExpectTrue(c, "the joined text", text == whole, Json(text).dump(-1, ' ', true));
  }
}

void CheckTokenizer(const fs::path& dir, Results& results) {
  const std::string name = dir.filename().string();
  const std::optional<std::string> json = ReadMaybeGzip(dir / "tokenizer.json");
  if (!json) return Refuse(name, "cannot read tokenizer.json", results);
  const Result<Loaded> loaded = Load(*json);
  if (!loaded.ok()) return Refuse(name, loaded.status().message(), results);
  using Check = void (*)(const Loaded&, const fs::path&, Tally&);
  for (const auto& [file, check] : {std::pair<const char*, Check>("encode", CheckEncode),
                                    {"stages", CheckStages},
                                    {"decode", CheckDecode},
                                    {"stream", CheckStream}}) {
    if (!fs::exists(dir / (std::string(file) + ".jsonl"))) continue;
    Tally tally;
    check(*loaded, dir, tally);
    results.push_back(tally.Finish(name + "/" + file));
  }
}

void CheckSplit(const fs::path& dir, Results& results) {
  std::map<std::string, std::string> texts;
  for (const Json& c : ReadLines(dir / "texts.jsonl")) texts[c["name"]] = c["text"];
  std::map<std::string, std::vector<Json>> cases;
  for (Json& c : ReadLines(dir / "cases.jsonl")) cases[c["pattern"]].push_back(c);
  for (const Json& p : Json::parse(ReadMaybeGzip(dir / "patterns.json").value())) {
    const auto id = p["id"].get<std::string>();
    const Result<text::Regex> regex = text::Regex::Compile(p["pattern"].get<std::string>());
    if (!regex.ok()) {
      Refuse("_split/" + id, regex.status().message(), results);
      continue;
    }
    Tally tally;
    for (const Json& c : cases[id]) {
      const std::string& text = texts.at(c["name"]);
      std::vector<text::Match> matches;
      const Status s = text::RegexMatcher(*regex).Split(text, matches);
      std::vector<std::string> pieces;
      for (const text::Match& m : matches) {
        if (m.begin < m.end) pieces.push_back(text.substr(m.begin, m.end - m.begin));
      }
      tally.Expect(c, "pieces", s.ok() ? Result(pieces) : Result<std::vector<std::string>>(s),
                   c["pieces"]);
    }
    results.push_back(tally.Finish("_split/" + id));
  }
}

// The base tokenizer with parts of its JSON exchanged.
Json MakeVariant(const fs::path& folder, const Json& variant) {
  const fs::path base = folder / variant["base"].get<std::string>() / "tokenizer.json";
  Json json = Json::parse(ReadMaybeGzip(base).value());
  if (variant.contains("replace")) json.update(variant["replace"]);
  if (variant.contains("model")) json["model"].update(variant["model"]);
  if (variant.contains("added_tokens_all")) {
    for (Json& token : json["added_tokens"]) token.update(variant["added_tokens_all"]);
  }
  if (variant.contains("added_tokens_append")) {
    for (const Json& token : variant["added_tokens_append"]) json["added_tokens"].push_back(token);
  }
  return json;
}

void CheckVariants(const fs::path& dir, Results& results) {
  std::map<std::string, std::vector<Json>> cases;
  for (Json& c : ReadLines(dir / "encode.jsonl")) cases[c["variant"]].push_back(c);
  for (const Json& variant : ReadLines(dir / "variants.jsonl")) {
    const auto id = variant["name"].get<std::string>();
    const Result<Loaded> loaded = Load(MakeVariant(dir.parent_path(), variant).dump());
    if (!loaded.ok()) {
      Refuse("_variants/" + id, loaded.status().message(), results);
      continue;
    }
    Tally tally;
    for (const Json& c : cases[id]) CheckEncodeCase(*loaded, c, tally);
    results.push_back(tally.Finish("_variants/" + id));
  }
}

}  // namespace

std::vector<FixtureResult> CheckTokenizerFixtures(const fs::path& folder) {
  Results results;
  std::vector<fs::path> dirs;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) dirs.push_back(entry.path());
  }
  std::sort(dirs.begin(), dirs.end());
  for (const fs::path& dir : dirs) {
    const std::string name = dir.filename().string();
    try {
      if (name == "_split") {
        CheckSplit(dir, results);
      } else if (name == "_variants") {
        CheckVariants(dir, results);
      } else if (!name.starts_with('_')) {
        CheckTokenizer(dir, results);
      }
    } catch (const std::exception& e) {
      Refuse(name, e.what(), results);
    }
  }
  return results;
}

}  // namespace quarry

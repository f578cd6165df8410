#include <algorithm>

#include <fmt/format.h>

#include "base/quoted.h"
#include "text/components_json.h"
#include "text/vocabulary.h"

namespace quarry::text {
namespace {

using PostProcessorResult = Result<std::unique_ptr<PostProcessor>>;
using Slot = TemplatePostProcessor::Slot;

constexpr size_t kMaxTemplateSlots = 1024;

// `made`, unless reading the fields failed.
PostProcessorResult Made(const JsonFields& fields, std::unique_ptr<PostProcessor> made) {
  if (!fields.ok()) return fields.status();
  return made;
}

Result<TokenId> CheckedId(const JsonFields& fields, const char* key, int64_t id) {
  if (id >= 0 && id < kMaxTokenIds) return static_cast<TokenId>(id);
  return fields.Error(key, fmt::format("has id {}, ids are 0 to {}", id, kMaxTokenIds - 1));
}

// Appends the ids that the table special_tokens gives for `name`.
Status AppendSpecial(JsonFields& fields, std::string_view name, std::vector<Slot>& out) {
  std::optional<JsonFields> table = fields.Object("special_tokens");
  if (!fields.ok()) return fields.status();
  const std::string key(name);
  std::optional<JsonFields> entry = table ? table->Object(key.c_str()) : std::nullopt;
  if (!entry) {
    return fields.Error("special_tokens",
                        fmt::format("lacks {}, which the template uses", Quoted(name)));
  }
  const simdjson::dom::array ids = entry->Elements("ids");
  if (!entry->ok()) return entry->status();
  for (const simdjson::dom::element element : ids) {
    int64_t id = -1;
    if (element.get(id) != simdjson::SUCCESS) return entry->Error("ids", "must be whole numbers");
    const Result<TokenId> checked = CheckedId(*entry, "ids", id);
    if (!checked.ok()) return checked.status();
    out.push_back(*checked);
  }
  return OkStatus();
}

PostProcessorResult ParseTemplate(JsonFields& fields) {
  std::vector<Slot> slots;
  if (fields.Has("single") && fields.Elements("single").size() > kMaxTemplateSlots) {
    return fields.Error("single", fmt::format("has more than {} elements", kMaxTemplateSlots));
  }
  for (JsonFields& piece : fields.Objects("single")) {
    if (std::optional<JsonFields> special = piece.Object("SpecialToken")) {
      const std::string_view name = special->String("id");
      if (!special->ok()) return special->status();
      if (Status s = AppendSpecial(fields, name, slots); !s.ok()) return s;
    } else if (std::optional<JsonFields> sequence = piece.Object("Sequence")) {
      const std::string_view id = sequence->String("id");
      if (!sequence->ok()) return sequence->status();
      if (id != "A") {
        return sequence->Error("id",
                               fmt::format("is {}, must be \"A\" for a single text", Quoted(id)));
      }
      slots.push_back(std::nullopt);
    } else {
      return CorruptData(piece.where() + " must have \"SpecialToken\" or \"Sequence\"");
    }
    if (slots.size() > kMaxTemplateSlots) {
      return fields.Error("single", fmt::format("has more than {} tokens", kMaxTemplateSlots));
    }
  }
  if (!fields.ok()) return fields.status();
  if (slots.empty()) return fields.Error("single", "is missing or empty");
  if (const auto texts = std::count(slots.begin(), slots.end(), std::nullopt); texts != 1) {
    return fields.Error("single", fmt::format("has {} places for the text, must be 1", texts));
  }
  return Made(fields, std::make_unique<TemplatePostProcessor>(std::move(slots)));
}

// ["[SEP]", 102]
Result<TokenId> ParseTokenPair(JsonFields& fields, const char* key) {
  const simdjson::dom::array pair = fields.Elements(key);
  if (!fields.ok()) return fields.status();
  int64_t id = -1;
  if (pair.size() != 2 || pair.at(1).get(id) != simdjson::SUCCESS) {
    return fields.Error(key, "must be a token and its id");
  }
  return CheckedId(fields, key, id);
}

// BertProcessing and RobertaProcessing: cls, the text, sep.
PostProcessorResult ParseClsSep(JsonFields& fields) {
  const Result<TokenId> cls = ParseTokenPair(fields, "cls");
  if (!cls.ok()) return cls.status();
  const Result<TokenId> sep = ParseTokenPair(fields, "sep");
  if (!sep.ok()) return sep.status();
  return Made(fields,
              std::make_unique<TemplatePostProcessor>(std::vector<Slot>{*cls, std::nullopt, *sep}));
}

}  // namespace

PostProcessorResult ParsePostProcessor(JsonFields fields, int depth) {
  const std::string_view type = fields.String("type");
  if (!fields.ok()) return fields.status();
  if (type == "ByteLevel") return Made(fields, nullptr);  // changes offsets only
  if (type == "TemplateProcessing") return ParseTemplate(fields);
  if (type == "BertProcessing" || type == "RobertaProcessing") return ParseClsSep(fields);
  if (type == "Sequence") {
    auto parts = ParseParts<PostProcessor>(fields, "processors", depth, ParsePostProcessor);
    if (!parts.ok()) return parts.status();
    if (parts->size() > 1) {
      return Unsupported(
          fmt::format("{}: {} templates in one sequence", fields.where(), parts->size()));
    }
    return Made(fields, parts->empty() ? nullptr : std::move(parts->front()));
  }
  return Unsupported(fmt::format("{}: the post-processor {}", fields.where(), Quoted(type)));
}

}  // namespace quarry::text

// The parts of a tokenizer.json, one function each. Every error names the place in the file. What
// Quarry does not do is refused with kUnsupported, what the format does not allow with
// kCorruptData.
#pragma once

#include <memory>

#include "quarry/status.h"

#include "text/decoder.h"
#include "text/json_fields.h"
#include "text/model.h"
#include "text/normalizer.h"
#include "text/post_processor.h"
#include "text/pre_tokenizer.h"
#include "text/replacement.h"

namespace quarry::text {

// Sequences inside sequences are read to this depth.
inline constexpr int kMaxSequenceDepth = 16;
// And of at most so many parts, each of which goes over the whole text.
inline constexpr size_t kMaxSequenceParts = 256;

Result<std::unique_ptr<Normalizer>> ParseNormalizer(JsonFields fields, int depth = 0);
Result<std::unique_ptr<PreTokenizer>> ParsePreTokenizer(JsonFields fields, int depth = 0);
// null for one that leaves ids as they are.
Result<std::unique_ptr<PostProcessor>> ParsePostProcessor(JsonFields fields, int depth = 0);
Result<std::unique_ptr<Decoder>> ParseDecoder(JsonFields fields, int depth = 0);
Result<std::unique_ptr<Model>> ParseModel(JsonFields fields);

// {"String": "..."} or {"Regex": "..."} under `key`.
Result<Pattern> ParsePattern(JsonFields& fields, const char* key);
Result<SplitBehavior> ParseBehavior(JsonFields& fields, const char* absent);

// A sequence is nested too deeply.
Status CheckDepth(const JsonFields& fields, int depth);
// The sequence under `key`, which is there, has too many parts.
Status CheckParts(JsonFields& fields, const char* key);

// The parts of a sequence, each read by `parse(fields, depth + 1)`.
template <typename Part, typename Parse>
Result<std::vector<std::unique_ptr<Part>>> ParseParts(JsonFields& fields, const char* key,
                                                      int depth, Parse parse) {
  if (Status s = CheckDepth(fields, depth); !s.ok()) return s;
  std::vector<std::unique_ptr<Part>> parts;
  if (!fields.Has(key)) return fields.Error(key, "is missing");
  if (Status s = CheckParts(fields, key); !s.ok()) return s;
  for (JsonFields& element : fields.Objects(key)) {
    Result<std::unique_ptr<Part>> part = parse(std::move(element), depth + 1);
    if (!part.ok()) return part.status();
    if (*part != nullptr) parts.push_back(std::move(*part));
  }
  if (!fields.ok()) return fields.status();
  return parts;
}

}  // namespace quarry::text

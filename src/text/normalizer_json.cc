#include <fmt/format.h>

#include "base/quoted.h"
#include "text/base64.h"
#include "text/charsmap.h"
#include "text/components_json.h"

namespace quarry::text {
namespace {

using NormalizerResult = Result<std::unique_ptr<Normalizer>>;

// `made`, unless reading the fields failed.
NormalizerResult Made(const JsonFields& fields, std::unique_ptr<Normalizer> made) {
  if (!fields.ok()) return fields.status();
  return made;
}

NormalizerResult ParsePrecompiled(JsonFields& fields) {
  const std::string_view encoded = fields.String("precompiled_charsmap");
  if (!fields.ok()) return fields.status();
  const std::optional<std::string> bytes = DecodeBase64(encoded);
  if (!bytes) return fields.Error("precompiled_charsmap", "is not base64");
  Result<Charsmap> map = Charsmap::Parse(*bytes);
  if (!map.ok()) return map.status().WithPrefix(fields.where());
  return Made(fields, std::make_unique<PrecompiledNormalizer>(std::move(*map)));
}

NormalizerResult ParseReplace(JsonFields& fields) {
  Result<Pattern> pattern = ParsePattern(fields, "pattern");
  if (!pattern.ok()) return pattern.status();
  const std::string content(fields.String("content"));
  return Made(fields,
              std::make_unique<ReplaceNormalizer>(Replacement(std::move(*pattern), content)));
}

NormalizerResult ParseBert(JsonFields& fields) {
  BertRules rules;
  rules.clean_text = fields.Bool("clean_text", true);
  rules.pad_ideographs = fields.Bool("handle_chinese_chars", true);
  rules.lowercase = fields.Bool("lowercase", true);
  rules.strip_accents = fields.Bool("strip_accents", rules.lowercase);
  return Made(fields, std::make_unique<BertNormalizer>(rules));
}

}  // namespace

NormalizerResult ParseNormalizer(JsonFields fields, int depth) {
  const std::string_view type = fields.String("type");
  if (!fields.ok()) return fields.status();
  if (type == "NFC") return Made(fields, std::make_unique<UnicodeNormalizer>(NormalForm::kNfc));
  if (type == "NFD") return Made(fields, std::make_unique<UnicodeNormalizer>(NormalForm::kNfd));
  if (type == "NFKC") return Made(fields, std::make_unique<UnicodeNormalizer>(NormalForm::kNfkc));
  if (type == "NFKD") return Made(fields, std::make_unique<UnicodeNormalizer>(NormalForm::kNfkd));
  if (type == "Lowercase") return Made(fields, std::make_unique<LowercaseNormalizer>());
  if (type == "StripAccents") return Made(fields, std::make_unique<StripAccentsNormalizer>());
  if (type == "Nmt") return Made(fields, std::make_unique<NmtNormalizer>());
  if (type == "ByteLevel") return Made(fields, std::make_unique<ByteLevelNormalizer>());
  if (type == "Replace") return ParseReplace(fields);
  if (type == "Precompiled") return ParsePrecompiled(fields);
  if (type == "BertNormalizer") return ParseBert(fields);
  if (type == "Strip") {
    const bool left = fields.Bool("strip_left", true);
    const bool right = fields.Bool("strip_right", true);
    return Made(fields, std::make_unique<StripNormalizer>(left, right));
  }
  if (type == "Prepend") {
    const std::string prefix(fields.String("prepend"));
    return Made(fields, std::make_unique<PrependNormalizer>(prefix));
  }
  if (type == "Sequence") {
    auto parts = ParseParts<Normalizer>(fields, "normalizers", depth, ParseNormalizer);
    if (!parts.ok()) return parts.status();
    return Made(fields, std::make_unique<NormalizerSequence>(std::move(*parts)));
  }
  return Unsupported(fmt::format("{}: the normalizer {}", fields.where(), Quoted(type)));
}

}  // namespace quarry::text

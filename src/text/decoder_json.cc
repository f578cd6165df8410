#include <fmt/format.h>

#include "base/quoted.h"
#include "text/components_json.h"

namespace quarry::text {
namespace {

using DecoderResult = Result<std::unique_ptr<Decoder>>;

DecoderResult Made(const JsonFields& fields, std::unique_ptr<Decoder> made) {
  if (!fields.ok()) return fields.status();
  return made;
}

DecoderResult ParseStrip(JsonFields& fields) {
  const std::string content(fields.Char("content"));
  const int64_t start = fields.Int("start");
  const int64_t stop = fields.Int("stop");
  if (!fields.ok()) return fields.status();
  if (start < 0) return fields.Error("start", "must not be negative");
  if (stop < 0) return fields.Error("stop", "must not be negative");
  return Made(fields, std::make_unique<StripDecoder>(content, static_cast<size_t>(start),
                                                     static_cast<size_t>(stop)));
}

DecoderResult ParseMetaspace(JsonFields& fields) {
  const std::string mark(fields.Char("replacement"));
  const bool add_prefix_space = fields.Bool("add_prefix_space", true);
  const auto scheme = fields.OptionalString("prepend_scheme");
  return Made(fields,
              std::make_unique<MetaspaceDecoder>(mark, add_prefix_space && scheme != "never"));
}

DecoderResult ParseReplace(JsonFields& fields) {
  Result<Pattern> pattern = ParsePattern(fields, "pattern");
  if (!pattern.ok()) return pattern.status();
  const std::string content(fields.String("content"));
  return Made(fields, std::make_unique<ReplaceDecoder>(Replacement(std::move(*pattern), content)));
}

// Appends the decoders of a sequence; sequences in it are spread out, so that each decoder's stream
// knows whether its tokens were joined before.
Status AppendSequence(JsonFields& fields, int depth, std::vector<std::unique_ptr<Decoder>>& out) {
  if (Status s = CheckDepth(fields, depth); !s.ok()) return s;
  if (!fields.Has("decoders")) return fields.Error("decoders", "is missing");
  if (Status s = CheckParts(fields, "decoders"); !s.ok()) return s;
  for (JsonFields& element : fields.Objects("decoders")) {
    if (element.OptionalString("type") == "Sequence") {
      if (Status s = AppendSequence(element, depth + 1, out); !s.ok()) return s;
      continue;
    }
    DecoderResult part = ParseDecoder(std::move(element), depth + 1);
    if (!part.ok()) return part.status();
    out.push_back(std::move(*part));
  }
  return fields.status();
}

}  // namespace

DecoderResult ParseDecoder(JsonFields fields, int depth) {
  const std::string_view type = fields.String("type");
  if (!fields.ok()) return fields.status();
  if (type == "ByteLevel") return Made(fields, std::make_unique<ByteLevelDecoder>());
  if (type == "ByteFallback") return Made(fields, std::make_unique<ByteFallbackDecoder>());
  if (type == "Fuse") return Made(fields, std::make_unique<FuseDecoder>());
  if (type == "Strip") return ParseStrip(fields);
  if (type == "Replace") return ParseReplace(fields);
  if (type == "Metaspace") return ParseMetaspace(fields);
  if (type == "WordPiece") {
    const std::string prefix(fields.OptionalString("prefix").value_or("##"));
    const bool cleanup = fields.Bool("cleanup", true);
    return Made(fields, std::make_unique<WordPieceDecoder>(prefix, cleanup));
  }
  if (type == "BPEDecoder") {
    const std::string suffix(fields.OptionalString("suffix").value_or("</w>"));
    if (fields.ok() && suffix.empty()) return fields.Error("suffix", "must not be empty");
    return Made(fields, std::make_unique<BpeSuffixDecoder>(suffix));
  }
  if (type == "Sequence") {
    std::vector<std::unique_ptr<Decoder>> parts;
    if (Status s = AppendSequence(fields, depth, parts); !s.ok()) return s;
    return Made(fields, std::make_unique<DecoderSequence>(std::move(parts)));
  }
  return Unsupported(fmt::format("{}: the decoder {}", fields.where(), Quoted(type)));
}

}  // namespace quarry::text

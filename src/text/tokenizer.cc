#include "quarry/tokenizer.h"

#include <new>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "format/gguf.h"
#include "text/pipeline.h"
#include "text/sentencepiece.h"
#include "text/tokenizer_gguf.h"
#include "text/tokenizer_json.h"

namespace quarry {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxTokenizerBytes = 512 << 20;
constexpr uint64_t kMaxConfigBytes = 16 << 20;

// Runs `f`; memory that cannot be had becomes a status.
template <typename F>
auto Guarded(F f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return OutOfMemory("tokenizer: out of memory");
  }
}

Result<Tokenizer> Build(text::TokenizerParts parts, const text::TokenizerConfig& config) {
  if (config.bos_token) parts.bos_token = config.bos_token;
  if (config.eos_token) parts.eos_token = config.eos_token;
  Result<std::shared_ptr<const text::Pipeline>> pipeline = text::Pipeline::Create(std::move(parts));
  if (!pipeline.ok()) return pipeline.status();
  return Tokenizer(std::move(*pipeline));
}

Result<Tokenizer> FromBytes(std::string_view bytes, const text::TokenizerConfig& config) {
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && bytes[first] == '{';
  Result<text::TokenizerParts> parts =
      json ? text::ParseTokenizerJson(bytes) : text::ParseSentencePiece(bytes, config);
  if (!parts.ok()) return parts.status();
  return Build(std::move(*parts), config);
}

Result<Tokenizer> FromGguf(const fs::path& path) {
  const Result<GgufFile> file = GgufFile::Open(path);
  if (!file.ok()) return file.status();
  Result<text::TokenizerParts> parts = text::ParseGgufTokenizer(*file);
  if (!parts.ok()) return parts.status();
  Result<Tokenizer> tokenizer = Build(std::move(*parts), {});
  if (!tokenizer.ok()) return tokenizer.status().WithPrefix(path.string());
  return tokenizer;
}

Result<text::TokenizerConfig> ReadConfig(const fs::path& file) {
  std::error_code error;
  if (!fs::exists(file, error)) return text::TokenizerConfig();
  const Result<std::string> json = ReadFile(file, kMaxConfigBytes);
  if (!json.ok()) return json.status();
  Result<text::TokenizerConfig> config = text::ParseTokenizerConfig(*json);
  if (!config.ok()) return config.status().WithPrefix(file.string());
  return config;
}

Result<fs::path> FindTokenizer(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (fs::exists(path / name, error)) return path / name;
  }
  return NotFound(path.string() + ": neither tokenizer.json nor tokenizer.model is there");
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const text::Pipeline> pipeline)
    : pipeline_(std::move(pipeline)) {}

Result<Tokenizer> Tokenizer::Load(const fs::path& path) {
  return Guarded([&]() -> Result<Tokenizer> {
    if (IsGgufPath(path)) return FromGguf(path);
    const Result<fs::path> file = FindTokenizer(path);
    if (!file.ok()) return file.status();
    const Result<text::TokenizerConfig> config =
        ReadConfig(file->parent_path() / "tokenizer_config.json");
    if (!config.ok()) return config.status();
    const Result<std::string> bytes = ReadFile(*file, kMaxTokenizerBytes);
    if (!bytes.ok()) return bytes.status();
    Result<Tokenizer> tokenizer = FromBytes(*bytes, *config);
    if (!tokenizer.ok()) return tokenizer.status().WithPrefix(file->string());
    return tokenizer;
  });
}

Result<Tokenizer> Tokenizer::FromJson(std::string_view json, std::string_view config) {
  return Guarded([&]() -> Result<Tokenizer> {
    text::TokenizerConfig parsed;
    if (!config.empty()) {
      Result<text::TokenizerConfig> result = text::ParseTokenizerConfig(config);
      if (!result.ok()) return result.status().WithPrefix("tokenizer_config.json");
      parsed = std::move(*result);
    }
    Result<text::TokenizerParts> parts = text::ParseTokenizerJson(json);
    if (!parts.ok()) return parts.status().WithPrefix("tokenizer.json");
    return Build(std::move(*parts), parsed);
  });
}

Result<std::vector<TokenId>> Tokenizer::Encode(std::string_view text,
                                               const EncodeOptions& options) const {
  return Guarded([&] { return pipeline_->Encode(text, options); });
}

Result<std::string> Tokenizer::Decode(std::span<const TokenId> ids,
                                      const DecodeOptions& options) const {
  return Guarded([&] { return pipeline_->Decode(ids, options.skip_special); });
}

size_t Tokenizer::vocab_size() const { return pipeline_->id_limit(); }

std::optional<TokenId> Tokenizer::TokenToId(std::string_view token) const {
  return pipeline_->TokenToId(token);
}

std::optional<std::string> Tokenizer::IdToToken(TokenId id) const {
  const std::optional<std::string_view> token = pipeline_->IdToToken(id);
  if (!token) return std::nullopt;
  return std::string(*token);
}

bool Tokenizer::is_special(TokenId id) const { return pipeline_->is_special(id); }

bool Tokenizer::is_added(TokenId id) const { return pipeline_->is_added(id); }
std::optional<TokenId> Tokenizer::bos_id() const { return pipeline_->bos(); }
std::optional<TokenId> Tokenizer::eos_id() const { return pipeline_->eos(); }

}  // namespace quarry

// Decoders at work on streams: what Decoder::NewStream returns.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/decoder.h"

namespace quarry::text {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// The byte that a token <0xNN> stands for; nullopt for any other token.
std::optional<char> ByteOf(std::string_view token);

// Appends the bytes of a token in byte-level letters; a token with any other character stands for
// its own bytes.
void AppendTokenBytes(const std::string& token, std::string& out);

// Every stream refers to its decoder, which must outlive it.
std::unique_ptr<DecoderStream> NewTokenwiseStream(const TokenwiseDecoder& decoder);
std::unique_ptr<DecoderStream> NewByteLevelStream();
std::unique_ptr<DecoderStream> NewByteFallbackStream();
std::unique_ptr<DecoderStream> NewBpeSuffixStream(const std::string& suffix);
// Hands tokens on as they are.
std::unique_ptr<DecoderStream> NewPassingStream();
// StripDecoder on one token that comes in fragments.
std::unique_ptr<DecoderStream> NewStripStream(std::string content, size_t start, size_t stop);
// Joins everything, and decodes it at the end.
std::unique_ptr<DecoderStream> NewCollectingStream(const Decoder& decoder);
// One stream after the other.
std::unique_ptr<DecoderStream> NewStreamSequence(std::vector<std::unique_ptr<DecoderStream>> parts);

}  // namespace quarry::text

// Plain types that every layer of Quarry shares.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace quarry {

using TokenId = int32_t;
using TokenPos = int64_t;  // absolute index of a token in its sequence, from 0

// Tokens [begin, end).
struct TokenRange {
  TokenPos begin = 0;
  TokenPos end = 0;

  TokenPos size() const { return end - begin; }
  bool empty() const { return end <= begin; }
  friend bool operator==(const TokenRange&, const TokenRange&) = default;
};

// Storage type of weights, keys and values. kI8 is for keys and values alone: 8-bit integers, with
// a scale for every 32 channels of a token.
enum class DType : uint8_t { kF32, kF16, kBF16, kI8 };

enum class LogLevel : uint8_t { kInfo, kWarning };

// How a weight matrix is stored. The quantised types are GGUF's: blocks of 32 or 256 values of a
// row with scales of their own; docs/quantization.md compares them.
enum class WeightType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};

// Where the library's remarks go; the library itself never prints. Called from any thread, one call
// at a time.
using LogSink = std::function<void(LogLevel, std::string_view)>;

}  // namespace quarry

// From a model folder to one GGUF file.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "quarry/status.h"
#include "quarry/types.h"

namespace quarry {

struct ConvertOptions {
  std::filesystem::path model;   // folder with config.json, safetensors and a tokenizer
  std::filesystem::path output;  // replaced, once the new file is whole
  // Of the matrices: kF32, kF16, kBF16, kQ8_0, kQ4_0 or kQ4_K. Embeddings and the output matrix
  // keep at least 8 bits. Rows that are no whole number of blocks get the next larger type that
  // fits.
  WeightType type = WeightType::kQ8_0;
  LogSink log = {};  // may be empty
  // Called after each tensor; may be empty.
  std::function<void(uint64_t bytes_written, uint64_t bytes)> progress = {};
  const std::atomic<bool>* cancel = nullptr;  // looked at between tensors
};

// Writes weights, tokenizer and chat template, for Quarry and for llama.cpp. On error, and when it
// is cancelled, nothing is left behind. What a GGUF file cannot say is refused (dynamic RoPE
// scaling) or noted (Mistral's sliding window).
Status ConvertToGguf(const ConvertOptions& options);

}  // namespace quarry

// H2O (arXiv:2306.14048) and TOVA (arXiv:2401.06104) in float64, one layer, token by token. Written
// from the definitions; shares no code with src/. A prompt may come in several calls: nothing is
// dropped before its end.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/reference/masked_attention.h"

namespace quarry::reference {

struct EvictionOptions {
  bool tova = false;
  int64_t heavy = 0, recent = 0;  // H2O
  int64_t cache = 0;              // TOVA
};

class EvictionCache {
 public:
  // All tokens' rows; calls take them in order.
  EvictionCache(const EvictionOptions& options, const Rotation& rotation, Rows q, Rows k, Rows v);

  void Prompt(int64_t n);  // the next n tokens belong to the prompt
  void Skip(int64_t n);    // they do, but something else attended to them
  void Step();             // the next token is decoded

  const std::vector<double>& out() const { return out_; }  // [tokens attended][heads][dim]
  // Per unit, a KV head with H2O and the layer with TOVA: tokens kept, and their scores. What a
  // prompt leaves over is dropped when the first token after it is decoded.
  struct Kept {
    std::vector<int64_t> tokens;
    std::vector<double> scores;
  };
  const std::vector<Kept>& units() const { return units_; }
  // As the next step will find them.
  std::vector<Kept> Settled() const;
  // The least difference of scores that decided between keeping and dropping so far; infinite if
  // nothing was dropped.
  double closest() const { return closest_; }

 private:
  int64_t Capacity() const { return o_.tova ? o_.cache : o_.heavy + o_.recent; }
  void Attend(int64_t n);
  void Drop();

  EvictionOptions o_;
  Rotation rotation_;
  Rows q_, k_, v_;
  int64_t length_ = 0;
  bool judged_ = false;  // scores of the kept tokens mean something
  std::vector<Kept> units_;
  std::vector<double> out_;
  double closest_;
};

}  // namespace quarry::reference

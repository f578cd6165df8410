// InfLLM (arXiv:2402.04617) and Q-LLM (arXiv:2406.07528) in float64, one layer, token by token.
// Written from the definitions; shares no code with src/. It keeps everything it ever saw, and
// looks at all of it again where a formula says "sum over all".
//
// Symbols: I sinks wanted, L window, B tokens of a block, K blocks retrieved, R tokens that
// represent a block, X queries of an execution block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/reference/eviction.h"
#include "tests/reference/masked_attention.h"

namespace quarry::reference {

enum class Measure { kDot, kCosine, kL2, kNormalizedL2, kDotMinusL2, kAngular, kPearson };

// How alike x and y are under a measure; the larger, the more.
double Similarity(Measure measure, const std::vector<double>& x, const std::vector<double>& y);

struct InfLlmOptions {
  int64_t I = 0, L = 0, B = 0, K = 0, R = 0, X = 0;
  bool strict_mask = false;  // do not attend a tail key twice
  bool per_head = false;     // every query head selects for itself
  int64_t chunk_topk = 0;    // select once for so many tokens; 0: off
  Eviction eviction = Eviction::kLru;
  int64_t cache_blocks = 1 << 20;
  double decay = 0;
  // Q-LLM; an empty question is InfLLM.
  int64_t question_begin = 0, question_end = 0;
  double question_weight = 0;
  bool strict_question = false;
  Measure measure = Measure::kDot;
};

// A choice of the `k` best of some candidates.
struct Choice {
  enum class Of { kBlocks, kRepresentatives, kQuestion };
  Of of;
  int64_t index;  // execution block, memory block, or token of the first query
  int64_t unit;   // unit that selects, or query head
  int64_t k;
  std::vector<double> scores;
  // Per candidate: the sum of the absolute values that the score is made of, for rounding bounds.
  std::vector<double> size;
};

// The highest scores, best first; equal scores: the lower index first.
std::vector<int64_t> Best(const std::vector<double>& scores, int64_t k);

// Makes the choices. A test may follow another implementation where scores are too close to call.
class Chooser {
 public:
  virtual ~Chooser() = default;
  // Best first.
  virtual std::vector<int64_t> Choose(const Choice& c) { return Best(c.scores, c.k); }
};

// One execution block [begin, end): the state it met, what it chose, the state it left.
struct ExecBlock {
  int64_t call, begin, end;
  int64_t sinks, blocks, candidates, tail_begin, tail_end;
  std::vector<std::vector<int64_t>> selected;  // [unit], ascending
  std::vector<std::vector<double>> scores;     // [unit][candidates]
  std::vector<std::vector<double>> sizes;      // of the scores, see Choice
  std::vector<std::vector<int64_t>> evicted;   // [unit], in the order of going
  int64_t sinks_after, blocks_after, tail_begin_after;
};

struct MemoryBlock {
  std::vector<std::vector<int64_t>> tokens;         // [head][R], ascending
  std::vector<std::vector<double>> local_scores;    // [head][B]
  std::vector<std::vector<double>> representative;  // [head][dim]
  std::vector<std::vector<double>> size;            // as above, of absolute values
};

class InfLlmModel {
 public:
  // All tokens' rows; Call() feeds them in order. The chooser outlives the model.
  InfLlmModel(const InfLlmOptions& options, const Rotation& rotation, Rows q, Rows k, Rows v,
              Chooser* chooser = nullptr);

  // One forward call over the next n tokens.
  void Call(int64_t n);

  const std::vector<double>& out() const { return out_; }  // [tokens][heads][dim]
  const std::vector<ExecBlock>& exec() const { return exec_; }
  const std::vector<MemoryBlock>& blocks() const { return blocks_; }
  const std::vector<std::vector<double>>& question() const { return question_; }  // [head][dim]
  int64_t question_set_after() const { return question_set_after_; }  // execution block, or -1
  const EvictionModel& cache(size_t unit) const { return caches_[unit]; }

 private:
  int KvHead(int h) const { return h / (q_.heads / k_.heads); }
  void RunExec(int64_t a, int64_t b, int64_t call_begin, int64_t call_end);
  void Select(ExecBlock& e);
  void Attend(const ExecBlock& e);
  void UpdateQuestion(const ExecBlock& e, int64_t call_begin, int64_t call_end);
  void UpdateMemory(ExecBlock& e);
  void FormBlock();

  InfLlmOptions o_;
  Rotation rotation_;
  Rows q_, k_, v_;
  Chooser own_chooser_;
  Chooser* chooser_;

  int64_t calls_ = 0, length_ = 0;
  int64_t sinks_ = 0, tail_begin_ = 0;
  bool sinks_complete_ = false;
  int64_t span_end_ = 0, span_candidates_ = 0;
  bool question_closed_ = false;
  int64_t question_set_after_ = -1;
  std::vector<std::vector<double>> local_scores_;  // [head][token]
  std::vector<std::vector<double>> question_;
  std::vector<MemoryBlock> blocks_;
  std::vector<EvictionModel> caches_;
  std::vector<ExecBlock> exec_;
  std::vector<double> out_;
};

}  // namespace quarry::reference

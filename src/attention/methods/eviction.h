// What H2O and TOVA share: after a decoding step, tokens of low score are dropped for good. A
// prompt is attended whole, however it is cut into calls; what it leaves over the capacity is
// dropped when decoding begins.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "attention/method.h"
#include "attention/methods/checkpoints.h"
#include "attention/methods/kept_tokens.h"

namespace quarry {

// Who stays when a unit (a KV head, or the whole layer) has more than best + recent tokens: the
// latest `recent`, and of the others the `best` of highest score, earlier tokens first among
// equals.
struct EvictionRule {
  int64_t best;
  int64_t recent;
};

class EvictionState final : public MethodState {
 public:
  // `window`: the tokens that the layer's queries see, themselves included; 0: all.
  EvictionState(const EvictionRule& rule, int units, int64_t window);

  std::unique_ptr<MethodState> Clone() const override;
  TokenPos Truncate(TokenPos n) override;
  size_t size_bytes() const override;

  // The block's tokens are new. When decoding, what the prompt left is dropped first.
  void Begin(const PlanInput& in, ExecContext& ctx);
  // The block was attended and its scores were added.
  void End(const PlanInput& in, ExecContext& ctx);
  // Another method attended the call: its tokens stay until a query of ours has judged them.
  void Skip(const PlanInput& in);

  // True until tokens are dropped for their scores: all units see the same.
  bool whole() const { return memory_.whole; }
  std::vector<KeptTokens>& units() { return memory_.units; }
  // The units as the next decoding step will meet them.
  std::vector<KeptTokens> Settled(ExecContext& ctx) const;

 private:
  struct Memory {
    TokenPos length = 0;
    bool whole = true;
    bool pending = false;  // scores are known, eviction waits for the end of the prompt
    std::vector<KeptTokens> units;
  };
  // Tokens that have left the window of the next query.
  void DropUnseen();
  void Append(TokenRange tokens);
  void Evict(ExecContext& ctx);
  void Evict(KeptTokens& unit, const kernels::KernelTable& kernels, Scratch& scratch) const;
  size_t UnitBytes() const;

  EvictionRule rule_;
  int64_t window_;
  Memory memory_;
  Checkpoints<Memory> checkpoints_;
};

}  // namespace quarry

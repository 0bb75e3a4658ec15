;; begin adopt
(if (i32.gt_u (local.get 2) (i32.const 64)) (then unreachable))
;; end adopt

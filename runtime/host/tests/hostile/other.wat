;; begin describe
(i32.store8 (i32.const 2048) (i32.const 111))
;; end describe

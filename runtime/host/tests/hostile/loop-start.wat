;; begin start
(loop $again (br $again))
;; end start

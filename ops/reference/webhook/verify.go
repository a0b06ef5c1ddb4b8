package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strconv"
	"time"
)

// verify: timestamp and signature are the headers X-Timestamp and X-Signature, body the bytes as they came.
func verify(secret, timestamp, signature string, body []byte) bool {
	at, err := strconv.ParseUint(timestamp, 10, 62)
	if age := time.Now().Unix() - int64(at); err != nil || age > 300 || age < -300 {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hmac.Equal([]byte("v1="+hex.EncodeToString(mac.Sum(nil))), []byte(signature))
}

func main() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil || !verify(os.Args[1], os.Args[2], os.Args[3], body) {
		os.Exit(1)
	}
}
